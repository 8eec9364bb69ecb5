internal import CRing

/// A kick or call that wakes a sleeper: an eventfd, as vhost and VFIO use it.
///
/// Safe to share between threads and, through its descriptor, between processes. A queue tells when one is due
/// (`isNotificationDue()`); a thread that only polls needs none.
public final class EventDoorbell: Sendable {
  /// The eventfd, for passing to another process; closed with the doorbell.
  public let fileDescriptor: Int32
  private let isShared: Bool

  /// A doorbell of this process, that was not rung yet.
  ///
  /// For one whose descriptor another process gets, see ``forPeer()``.
  ///
  /// - Throws: ``MemoryError/system(operation:errno:)`` when the process has no descriptor left.
  public convenience init() throws(MemoryError) { try self.init(isShared: false) }

  /// A doorbell that was not rung yet, to be passed to another process.
  ///
  /// That process can make it blocking, and fill it; it is rung in a way that does not wait, where the kernel has
  /// asynchronous requests (io_submit), and otherwise with a look first.
  ///
  /// - Throws: ``MemoryError/system(operation:errno:)`` when the process has no descriptor left.
  public static func forPeer() throws(MemoryError) -> EventDoorbell { try EventDoorbell(isShared: true) }

  private init(isShared: Bool) throws(MemoryError) {
    var made: Int32 = -1
    let error = unsafe cring_doorbell_create(&made)
    guard error == 0 else { throw .system(operation: "making an eventfd", errno: error) }
    fileDescriptor = made
    self.isShared = isShared
  }

  /// Takes over an eventfd that another process made; closed with the doorbell.
  ///
  /// Made non-blocking, in that process too.
  public init(attaching fileDescriptor: Int32) {
    cring_doorbell_attach(fileDescriptor)
    self.fileDescriptor = fileDescriptor
    isShared = true
  }

  deinit { cring_doorbell_close(fileDescriptor) }

  /// Rings: one system call, or two for one that another process has too where the kernel has no asynchronous requests.
  ///
  /// Ringing twice before the other side looks wakes it once.
  public func ring() {
    if isShared { cring_doorbell_ring_shared(fileDescriptor) } else { cring_doorbell_ring(fileDescriptor) }
  }

  /// Sleeps until it is rung, or for `milliseconds` (-1: for ever), and takes the ringing.
  ///
  /// - Returns: false when the time ran out or a signal came.
  public func wait(milliseconds: Int32) -> Bool { cring_doorbell_wait(fileDescriptor, milliseconds) }

  /// Takes the ringing without sleeping, also from one that its other owner made blocking.
  ///
  /// - Returns: whether there was any.
  public func take() -> Bool { cring_doorbell_take(fileDescriptor) }
}
