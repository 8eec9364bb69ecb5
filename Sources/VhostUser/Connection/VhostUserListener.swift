internal import CRing

/// A socket at a path where one peer after the other is waited for.
///
/// One thread's. The path is removed with the listener; one that a dead process left is replaced.
public final class VhostUserListener {
  /// The listening socket, for a caller's own poll.
  public let fileDescriptor: Int32
  private let path: String

  /// Waits at `path`.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``; EADDRINUSE when something is at the path that is in use or
  ///   no socket, ENAMETOOLONG for a path of more than 107 bytes.
  public init(at path: String) throws(VhostUserError) {
    var made: Int32 = -1
    let error = unsafe cring_stream_listen(path, &made)
    guard error == 0 else { throw .system(operation: "waiting at \(path)", errno: error) }
    fileDescriptor = made
    self.path = path
  }

  deinit {
    cring_channel_close(fileDescriptor)
    unsafe cring_stream_remove(path)
  }

  /// The peer that came first, `nil` when none has come yet.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``.
  public func accept() throws(VhostUserError) -> VhostUserConnection? {
    var connected: Int32 = -1
    let error = unsafe cring_stream_accept(fileDescriptor, &connected)
    if error == CRING_STREAM_WOULD_BLOCK { return nil }
    guard error == 0 else { throw .system(operation: "accepting a connection", errno: error) }
    return VhostUserConnection(attached: connected)
  }
}
