internal import CRing
public import RingKit

/// What a request does, wherever those are that it waits for.
extension InvalidationQueue {
  // Looks at a server before the first pause, and between two looks at the clock. A waiter that goes on without one takes the
  // line from the server that is to write it: 512 cost 27 ns more behind one L3, none at all no less.
  private static let spinsBeforePause = 64
  private static let spinsPerClock = 1024

  /// Posts an invalidation and a wait descriptor, and waits.
  @usableFromInline @inline(never)
  func flush(_ descriptor: InvalidationDescriptor) throws(DMAError) {
    if let published = unsafe published { return try unsafe flush(descriptor, published) }
    try flush(descriptor, through: ThreadPlaces(queue: self))
  }

  @inline(__always)
  func flush<Places: InvalidationPlaces>(
    _ descriptor: InvalidationDescriptor, through places: Places
  ) throws(DMAError) {
    // Taking the lock waits until the cleared entries have left this CPU, lines the device has just read; the line of the
    // tail, which it has read too, comes meanwhile. Not from who holds the lock and is about to write it.
    if unsafe cring_load_relaxed_32(block) == 0 {
      unsafe cring_prefetch_exclusive(Self.latestCopy(0, places.requests))
    }
    unsafe cring_lock_counting(block, waitsWord)
    var end = tail &+ 2
    while end &- slowest(of: places) > Self.slotCount {
      unsafe cring_unlock(block)
      try wait(end &- Self.slotCount, for: places)
      unsafe cring_lock_counting(block, waitsWord)
      end = tail &+ 2
    }
    unsafe Self.write(descriptor, places.slots, end &- 2)
    unsafe Self.write(.wait(end), places.slots, end &- 1)
    let copy = unsafe Self.latestCopy(end, places.requests)
    unsafe cring_store_release_64(copy, descriptor.head)
    unsafe cring_store_release_64(copy + 8, descriptor.body)
    unsafe cring_store_release_64(block + Self.tailOffset, end)
    places.publish(end)
    unsafe cring_unlock(block)
    try wait(end, for: places)
  }

  private static func write(
    _ descriptor: InvalidationDescriptor, _ slots: UnsafeMutableRawPointer, _ position: UInt64
  ) {
    let slot = unsafe slot(position, slots)
    unsafe cring_store_relaxed_64(slot, descriptor.head)
    unsafe cring_store_relaxed_64(slot + 8, descriptor.body)
  }

  /// How far the server has come that is furthest behind; no slot before it is read any more.
  private func slowest<Places: InvalidationPlaces>(of places: Places) -> UInt64 {
    var least = tail
    for server in 0..<serverCount { least = min(least, places.progress(server)) }
    return least
  }

  private func wait<Places: InvalidationPlaces>(_ end: UInt64, for places: Places) throws(DMAError) {
    for server in 0..<serverCount {
      var spins = 0
      var deadline: UInt64 = 0
      while try !places.hasServed(server, end) {
        if servedBy == .waiter { try places.serveInPlace(server) }
        spins += 1
        if spins > Self.spinsBeforePause { cring_spin_hint() }
        guard spins % Self.spinsPerClock == 0 else { continue }
        let now = cring_nanoseconds()
        if deadline == 0 {
          deadline = now &+ timeout
        } else if now > deadline {
          throw .invalidationTimedOut(nanoseconds: timeout)
        }
      }
    }
  }
}

/// Where the servers of an invalidation queue are, as far as a request has to know.
///
/// ``ThreadPlaces`` in this process, ``ProcessPlaces`` in others. Not for servers: each knows its own place.
protocol InvalidationPlaces {
  /// Where servers read the tail and, beside it, the latest requests.
  var requests: UnsafeMutableRawPointer { get }
  /// Where they read descriptors.
  var slots: UnsafeMutableRawPointer { get }

  /// Has them see what was posted up to a position, beyond what the queue's own tail says.
  func publish(_ end: UInt64)
  /// How far a server says it has come: it reads no slot before that any more.
  func progress(_ server: Int) -> UInt64
  /// Whether a server need not be waited for until it has come to a position.
  func hasServed(_ server: Int, _ end: UInt64) throws(DMAError) -> Bool
  /// Serves in a server's place, on the thread that waits for it.
  func serveInPlace(_ server: Int) throws(DMAError)
}

/// The servers of an invalidation queue that are threads of this process: they read its own block.
@safe
struct ThreadPlaces: InvalidationPlaces {
  let queue: InvalidationQueue

  var requests: UnsafeMutableRawPointer { unsafe queue.block }
  var slots: UnsafeMutableRawPointer { unsafe queue.block + InvalidationQueue.slotOffset }

  /// The queue's tail is the one that they look at.
  func publish(_ end: UInt64) {}

  func progress(_ server: Int) -> UInt64 { unsafe cring_load_acquire_64(queue.status(server)) }

  func hasServed(_ server: Int, _ end: UInt64) -> Bool { progress(server) >= end }

  func serveInPlace(_ server: Int) throws(DMAError) {
    let status = unsafe queue.status(server)
    // SAFETY: `attach` stored the words of a cache that lives until `detach`; with `servedBy: .waiter` both happen on
    // this thread.
    let remote = unsafe (status + 24).load(as: UInt.self)
    if let remote = unsafe UnsafeRawPointer(bitPattern: remote) {
      let cache = unsafe Unmanaged<RemoteIOTLB>.fromOpaque(remote).takeUnretainedValue()
      if !queue.serve(cache, server) { throw .deviceUnreachable }
      return
    }
    let words = unsafe (status + 8).load(as: UInt.self)
    let mask = unsafe (status + 16).load(as: UInt64.self)
    guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: words) else { return }
    queue.serve(unsafe IOTLB(words: words, setMask: mask), server)
  }
}
