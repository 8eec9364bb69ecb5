internal import CRing

/// A descriptor of a device's own that it waits for while it has nothing to do.
///
/// One that serves a queue is waited for as long as that queue runs and the driver has buffers there: the device is
/// served when it is ready, and uses no CPU while it is not. A device that finds nothing in it returns
/// ``VringProgress/idle``, one that lacks buffers ``VringProgress/empty``; then the driver's next buffer is waited for.
public struct EventSource: Hashable, Sendable {
  /// What is waited for.
  public enum Readiness: Sendable {
    /// Something can be read, or the other end was closed.
    case readable
    /// Something can be written.
    case writable
  }

  /// The descriptor, which the device keeps open; one whose other end was closed stays ready: the device takes it out.
  public let fileDescriptor: Int32
  /// What is waited for.
  public let readiness: Readiness
  /// The queue that is served when it is ready; `nil`: ``VhostUserDevice/handle(_:)`` alone is called.
  public let queue: Int?

  /// A descriptor to wait for.
  public init(_ fileDescriptor: Int32, _ readiness: Readiness = .readable, serving queue: Int? = nil) {
    self.fileDescriptor = fileDescriptor
    self.readiness = readiness
    self.queue = queue
  }
}

/// A timer that a device waits for like for any other of its ``VhostUserDevice/sources``.
///
/// One thread's. It stays ready until ``take()``.
public final class EventTimer {
  private let descriptor: PassedDescriptor

  /// A timer that is not set.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when the process has no descriptor left.
  public init() throws(VhostUserError) {
    var made: Int32 = -1
    let error = unsafe cring_timer_create(&made)
    guard error == 0 else { throw .system(operation: "making a timer", errno: error) }
    descriptor = PassedDescriptor(owning: made)
  }

  /// What to wait for.
  public func source(serving queue: Int? = nil) -> EventSource {
    EventSource(descriptor.fileDescriptor, serving: queue)
  }

  /// Expires after a time, and then again at intervals where they are given.
  ///
  /// - Parameters:
  ///   - nanoseconds: from now; 0 stops the timer.
  ///   - interval: nanoseconds between one time and the next; 0: it expires once.
  public func set(after nanoseconds: UInt64, every interval: UInt64 = 0) {
    let error = cring_timer_set(descriptor.fileDescriptor, nanoseconds, interval)
    precondition(error == 0, "a timer of \(nanoseconds) and \(interval) nanoseconds cannot be set")
  }

  /// How often it expired since the last call.
  public func take() -> UInt64 { cring_timer_take(descriptor.fileDescriptor) }
}
