internal import CRing

/// A kick or call that wakes a sleeper: an eventfd, as vhost and VFIO use it.
///
/// Safe to share between threads and, through its descriptor, between processes. A queue tells when one is due
/// (`isNotificationDue()`); a thread that only polls needs none.
public final class EventDoorbell: Sendable {
  /// The eventfd, for passing to another process; closed with the doorbell.
  public let fileDescriptor: Int32
  private let isAttached: Bool

  /// A doorbell that was not rung yet.
  ///
  /// - Throws: ``MemoryError/system(operation:errno:)`` when the process has no descriptor left.
  public init() throws(MemoryError) {
    var made: Int32 = -1
    let error = unsafe cring_doorbell_create(&made)
    guard error == 0 else { throw .system(operation: "making an eventfd", errno: error) }
    fileDescriptor = made
    isAttached = false
  }

  /// Takes over an eventfd that another process made; closed with the doorbell.
  ///
  /// Made non-blocking, in that process too.
  public init(attaching fileDescriptor: Int32) {
    cring_doorbell_attach(fileDescriptor)
    self.fileDescriptor = fileDescriptor
    isAttached = true
  }

  deinit { cring_doorbell_close(fileDescriptor) }

  /// Rings: one system call, and for one that another process made a second.
  ///
  /// Ringing twice before the other side looks wakes it once.
  public func ring() {
    if isAttached { cring_doorbell_ring_attached(fileDescriptor) } else { cring_doorbell_ring(fileDescriptor) }
  }

  /// Sleeps until it is rung, or for `milliseconds` (-1: for ever), and takes the ringing.
  ///
  /// - Returns: false when the time ran out or a signal came.
  public func wait(milliseconds: Int32) -> Bool { cring_doorbell_wait(fileDescriptor, milliseconds) }

  /// Takes the ringing without sleeping.
  ///
  /// - Returns: whether there was any.
  public func take() -> Bool { cring_doorbell_take(fileDescriptor) }
}
