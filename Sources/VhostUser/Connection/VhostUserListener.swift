internal import CRing

/// A socket at a path where one peer after the other is waited for.
///
/// One thread's. A lock beside the path, `path`.lock, keeps other listeners from it. The path is removed with the
/// listener if it is still the listener's; one that a dead process left is replaced.
public final class VhostUserListener {
  /// The listening socket, for a caller's own poll.
  public let fileDescriptor: Int32
  /// What is removed in the end, unless the socket is another process's.
  private let bound: (path: String, listener: cring_listener)?

  /// Waits at `path`; only processes of the same user can connect (rights 0600).
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``; EADDRINUSE when something is at the path that is in use or
  ///   no socket, or at `path`.lock what is no lock, ENAMETOOLONG for a path of more than 107 bytes.
  public init(at path: String) throws(VhostUserError) {
    var made = cring_listener()
    let error = unsafe cring_stream_listen(path, &made)
    guard error == 0 else { throw .system(operation: "waiting at \(path)", errno: error) }
    fileDescriptor = made.fd
    bound = (path, made)
  }

  /// Takes over a listening socket, such as a service manager passes; it is closed with the listener, and nothing is
  /// removed.
  ///
  /// - Throws: ``VhostUserError/notASocket``, or ``VhostUserError/system(operation:errno:)``; the descriptor is closed
  ///   then too.
  public init(attaching fileDescriptor: Int32) throws(VhostUserError) {
    self.fileDescriptor = fileDescriptor
    bound = nil
    let error = cring_stream_attach(fileDescriptor)
    if error == CRING_STREAM_NOT_A_SOCKET { throw .notASocket }
    guard error == 0 else { throw .system(operation: "taking over a socket", errno: error) }
  }

  deinit {
    if let bound {
      var listener = bound.listener
      unsafe cring_stream_close(bound.path, &listener)
    } else {
      cring_channel_close(fileDescriptor)
    }
  }

  /// The peer that came first, `nil` when none has come yet.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)``; one that ``VhostUserError/isOfTheMoment`` may be gone when
  ///   it is tried again.
  public func accept() throws(VhostUserError) -> VhostUserConnection? {
    var connected: Int32 = -1
    let error = unsafe cring_stream_accept(fileDescriptor, &connected)
    if error == CRING_STREAM_WOULD_BLOCK { return nil }
    guard error == 0 else { throw .system(operation: "accepting a connection", errno: error) }
    return VhostUserConnection(attached: connected)
  }
}
