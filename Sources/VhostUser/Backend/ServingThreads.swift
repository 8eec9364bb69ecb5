internal import Glibc
internal import RingKit
internal import Synchronization

/// Threads that serve the queues of one back-end, beside the one that runs it.
///
/// A queue is one thread's. What a front-end says changes what several of them work with: the thread that handles it
/// has them all wait between two of their turns. In each every queue is served once, and those with more to do again
/// until the turn has taken 50 microseconds.
@safe
final class ServingThreads: @unchecked Sendable {
  /// How many there are to be.
  let count: Int
  /// Rung to wake the thread that runs the back-end: a queue has something to settle.
  let bell: EventDoorbell
  // Written before the threads are started and after they have ended.
  private var threads: [SystemThread] = []
  private let bells: [EventDoorbell]
  private let isOver = Atomic(false)
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>
  /// How often what is waited for may have become another descriptor; read in turns, written between them.
  var epoch = 0
  /// Why one of them could not wait.
  private let failure = Mutex<VhostUserError?>(nil)

  init(count: Int) throws(MemoryError) {
    self.count = count
    bell = try EventDoorbell()
    var bells: [EventDoorbell] = []
    for _ in 0..<count { bells.append(try EventDoorbell()) }
    self.bells = bells
    unsafe lock = .allocate(capacity: 1)
    var attributes = pthread_rwlockattr_t()
    unsafe pthread_rwlockattr_init(&attributes)
    // Threads that always have something to do would never let it in otherwise.
    unsafe pthread_rwlockattr_setkind_np(&attributes, Int32(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
    unsafe pthread_rwlock_init(lock, &attributes)
  }

  deinit {
    unsafe pthread_rwlock_destroy(lock)
    unsafe lock.deallocate()
  }

  /// Starts them: each takes one turn after the other until ``end()``.
  ///
  /// - Parameter turn: given the thread's number and what it has waited for, serves what is ready, and says what to
  ///   wait for then.
  /// - Throws: `MemoryError` when the process may have no more threads; those that were started end with ``end()``.
  func start(_ turn: @escaping @Sendable (Int, inout QueueWaits) -> Void) throws(MemoryError) {
    for number in 0..<count {
      threads.append(try SystemThread { [self] in run(number, turn) })
    }
  }

  private func run(_ number: Int, _ turn: (Int, inout QueueWaits) -> Void) {
    var waits = QueueWaits()
    do throws(VhostUserError) {
      while !isOver.load(ordering: .acquiring) {
        unsafe pthread_rwlock_rdlock(lock)
        turn(number, &waits)
        unsafe pthread_rwlock_unlock(lock)
        waits.set.add(bells[number].fileDescriptor)
        _ = try waits.wait(milliseconds: 500)
        _ = bells[number].take()
      }
    } catch {
      failure.withLock { $0 = error }
      bell.ring()
    }
  }

  /// - Throws: ``VhostUserError/system(operation:errno:)`` once one of them could not wait: its queues are not served.
  func check() throws(VhostUserError) {
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  /// Does what no queue may be served beside.
  func exclusively<Value>(_ body: () throws(VhostUserError) -> Value) throws(VhostUserError) -> Value {
    unsafe pthread_rwlock_wrlock(lock)
    defer { unsafe pthread_rwlock_unlock(lock) }
    return try body()
  }

  /// Has every thread look anew at what it serves; called where no queue is served.
  func wake() { for bell in bells { bell.ring() } }

  /// Returns once all have ended.
  func end() {
    isOver.store(true, ordering: .releasing)
    for bell in bells { bell.ring() }
    for thread in threads { thread.join() }
    threads = []
  }
}

/// What a thread waits for on behalf of queues.
struct QueueWaits {
  var set = PollSet()
  /// Queues whose kick is waited for, and where it is among the descriptors.
  var kicks: [(vring: Vring, at: Int)] = []
  /// A device's own descriptors, and where they are.
  var sources: [(source: EventSource, at: Int)] = []
  /// Whether a queue has something to do without any of them.
  var isBusy = false
  /// ``ServingThreads/epoch`` when it was put together.
  var epoch = -1

  /// Keeps the memory alone.
  mutating func removeAll() {
    set.removeAll()
    kicks.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
    isBusy = false
  }

  /// Waits for so long at most; not at all while there is something to do.
  ///
  /// - Returns: whether a descriptor is ready.
  mutating func wait(milliseconds: Int32) throws(VhostUserError) -> Bool {
    try set.wait(milliseconds: isBusy ? 0 : milliseconds)
  }
}

/// A sum that one thread adds to and any may read.
struct Tally: ~Copyable {
  private let sum = Atomic<UInt64>(0)

  var count: UInt64 { sum.load(ordering: .relaxed) }

  func add(_ count: UInt64) { sum.store(sum.load(ordering: .relaxed) &+ count, ordering: .relaxed) }
}
