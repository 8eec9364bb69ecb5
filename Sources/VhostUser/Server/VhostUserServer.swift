internal import CRing
internal import RingKit
internal import Synchronization

/// Waits for front-ends and serves one after the other with the same device, until it is told to end.
///
/// ``run(_:options:until:telling:)`` is one thread's; ``stop()`` any thread's. What is in flight when it ends stays in
/// the rings and in the inflight memory, for a successor.
public final class VhostUserServer: Sendable {
  /// Until the server ended.
  private let listener: Mutex<VhostUserListener?>
  private let bell: EventDoorbell
  private let isStopped = Atomic(false)
  /// Ready once one of the signals came that end the server.
  private let signals: Mutex<PassedDescriptor?> = Mutex(nil)

  /// What a server tells while it runs.
  public enum Event<Device: VhostUserDevice> {
    /// It serves a front-end: told twice a second at least, and whenever something happened.
    case serving(VhostUserBackend<Device>)
    /// A connection ended, because of `failure` or, where that is `nil`, because the front-end or the server closed it.
    case ended(VhostUserBackend<Device>, failure: VhostUserError?)
    /// A front-end could not be accepted at this moment; it is tried again.
    case retrying(VhostUserError)
  }

  /// Waits at a path, where it replaces a socket that no process listens at, and nothing else.
  ///
  /// Only processes of the same user can connect.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``, as ``VhostUserListener/init(at:)``.
  public convenience init(at path: String) throws(VhostUserError) { try self.init(VhostUserListener(at: path)) }

  /// Waits at a listening socket that was passed to this process, and closes it in the end.
  ///
  /// - Throws: ``VhostUserError/notASocket``, ``VhostUserError/system(operation:errno:)``.
  public convenience init(listening fileDescriptor: Int32) throws(VhostUserError) {
    try self.init(VhostUserListener(attaching: fileDescriptor))
  }

  private init(_ listener: sending VhostUserListener) throws(VhostUserError) {
    self.listener = Mutex(listener)
    do throws(MemoryError) { bell = try EventDoorbell() } catch {
      guard case .system(let operation, let errno) = error else { throw .memory(error) }
      throw .system(operation: operation, errno: errno)
    }
  }

  /// Ends ``run(_:options:until:telling:)`` as soon as it is done with the buffers at hand; for any thread.
  public func stop() {
    isStopped.store(true, ordering: .releasing)
    bell.ring()
  }

  /// Ends the server when one of these signals comes, instead of what the signal does otherwise.
  ///
  /// To be called before other threads are started: they must not take the signals.
  ///
  /// - Parameter list: numbers such as `SIGINT` and `SIGTERM`, which are the default.
  /// - Throws: ``VhostUserError/system(operation:errno:)``.
  public func stop(onSignals list: [Int32] = [2, 15]) throws(VhostUserError) {
    var made: Int32 = -1
    let error = unsafe cring_signals_watch(list, list.count, &made)
    guard error == 0 else { throw .system(operation: "waiting for signals", errno: error) }
    signals.withLock { $0 = PassedDescriptor(owning: made) }
  }

  /// Serves front-ends until ``stop()``, or until `isOver` says so, which is asked twice a second at least.
  ///
  /// What a front-end does wrong ends its connection, and the next one is waited for. At its end the server closes its
  /// socket, and removes it from its path: it runs once.
  ///
  /// - Parameters:
  ///   - device: what is behind the rings; it returns to its initial state between two front-ends.
  ///   - options: what is offered.
  ///   - isOver: true ends the server.
  ///   - tell: told what happens, on this thread.
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when front-ends cannot be waited for.
  public func run<Device: VhostUserDevice>(
    _ device: Device, options: VhostUserOptions = VhostUserOptions(), until isOver: () -> Bool = { false },
    telling tell: (Event<Device>) -> Void = { _ in }
  ) throws(VhostUserError) {
    try serve(device, options, until: isOver, telling: tell) { (_) in }
  }

  /// Serves front-ends as ``run(_:options:until:telling:)`` does, their queues on several threads.
  ///
  /// This thread handles what a front-end says, and starts the others for each connection: queues of one group
  /// (``VhostUserDevice/group(of:)``) are one thread's. `tell` is called on this thread while no queue is served.
  ///
  /// - Parameters:
  ///   - device: what is behind the rings.
  ///   - options: what is offered.
  ///   - threads: how many serve queues, no more than there are groups; 1: this one.
  ///   - isOver: true ends the server.
  ///   - tell: told what happens.
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when front-ends cannot be waited for.
  public func run<Device: VhostUserDevice & Sendable>(
    _ device: Device, options: VhostUserOptions = VhostUserOptions(), threads: Int,
    until isOver: () -> Bool = { false }, telling tell: (Event<Device>) -> Void = { _ in }
  ) throws(VhostUserError) {
    precondition((1...256).contains(threads), "queues are served by 1 to 256 threads")
    try serve(device, options, until: isOver, telling: tell) { (backend) throws(VhostUserError) in
      try backend.serve(onThreads: threads)
    }
  }

  private func serve<Device: VhostUserDevice>(
    _ device: Device, _ options: VhostUserOptions, until isOver: () -> Bool, telling tell: (Event<Device>) -> Void,
    beginning begin: (VhostUserBackend<Device>) throws(VhostUserError) -> Void
  ) throws(VhostUserError) {
    guard let descriptor = listener.withLock({ $0?.fileDescriptor }) else {
      preconditionFailure("a server runs once")
    }
    defer { listener.withLock { $0 = nil } }
    let signals = signals.withLock { $0 }
    let wakes = [bell.fileDescriptor, signals?.fileDescriptor ?? -1]
    var isPaused = false
    func isEnding() -> Bool {
      if let signals, cring_signals_take(signals.fileDescriptor) != 0 { stop() }
      return isStopped.load(ordering: .acquiring) || isOver()
    }
    while !isEnding() {
      var set = PollSet()
      for wake in wakes { set.add(wake) }
      // After one that could not be accepted its socket stays readable.
      let index = set.add(isPaused ? -1 : descriptor)
      isPaused = false
      guard try set.wait(milliseconds: 500), set.isReady(index) else { continue }
      let connection: VhostUserConnection
      do throws(VhostUserError) {
        guard let accepted = try accept() else { continue }
        connection = accepted
      } catch {
        guard error.isOfTheMoment else { throw error }
        tell(.retrying(error))
        isPaused = true
        continue
      }
      let backend = VhostUserBackend(connection, device: device, options: options)
      backend.wakes = wakes
      var failure: VhostUserError?
      do throws(VhostUserError) {
        try begin(backend)
        while !isEnding() {
          _ = try backend.step(milliseconds: 500)
          try backend.exclusively { () throws(VhostUserError) in tell(.serving(backend)) }
        }
      } catch { failure = error }
      // The device is the next one's, however long this one is referred to.
      backend.end()
      tell(.ended(backend, failure: failure == .closed ? nil : failure))
    }
  }

  private func accept() throws(VhostUserError) -> sending VhostUserConnection? {
    let result = listener.withLock { listener -> Result<VhostUserConnection?, VhostUserError> in
      do throws(VhostUserError) { return .success(try listener?.accept()) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
