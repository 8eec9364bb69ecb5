internal import CRing

/// One end of the connection over which a driver hands a device in another process what that may see.
///
/// A Unix socket that carries whole messages, and descriptors with them. One thread at a time sends and one receives;
/// any thread may ``shut()``. Closed with the last reference.
public final class DeviceSocket: Sendable {
  let fileDescriptor: Int32

  /// Takes over a connected SOCK_SEQPACKET socket, such as one that was inherited.
  public init(attaching fileDescriptor: Int32) { self.fileDescriptor = fileDescriptor }

  deinit { cring_channel_close(fileDescriptor) }

  /// Two ends of a new connection.
  ///
  /// - Throws: ``DeviceHandshakeError/system(errno:)`` when the process has no descriptor left.
  public static func pair() throws(DeviceHandshakeError) -> (DeviceSocket, DeviceSocket) {
    var made: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &made) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_channel_pair($0) }
    }
    guard error == 0 else { throw .system(errno: error) }
    return (DeviceSocket(attaching: made.0), DeviceSocket(attaching: made.1))
  }

  /// Waits at a path for one driver, and removes the path when it has come.
  ///
  /// - Parameters:
  ///   - path: the socket's.
  ///   - isOver: asked some times a second; true ends the wait, and removes the path too.
  /// - Returns: the connection.
  /// - Throws: ``DeviceHandshakeError/system(errno:)``; EADDRINUSE when something is at the path already, EINTR when
  ///   `isOver` said so.
  public static func accept(
    at path: String, until isOver: () -> Bool = { false }
  ) throws(DeviceHandshakeError) -> DeviceSocket {
    var listener = cring_listener()
    var connected: Int32 = -1
    var error = unsafe cring_socket_listen(path, &listener)
    guard error == 0 else { throw .system(errno: error) }
    var watch = cring_watch(fd: listener.fd, wanted: UInt8(CRING_WATCH_READ), ready: 0)
    while watch.ready == 0, error == 0, !isOver() { error = unsafe cring_watch_wait(&watch, 1, 250) }
    let isGivenUp = watch.ready == 0
    // Then there is nothing to accept.
    if isGivenUp { cring_socket_shut(listener.fd) }
    error = unsafe cring_socket_accept(&listener, path, &connected)
    guard error == 0 else { throw .system(errno: isGivenUp ? CRING_CHANNEL_INTERRUPTED : error) }
    return DeviceSocket(attaching: connected)
  }

  /// Connects to a device that waits at a path.
  ///
  /// - Parameters:
  ///   - path: the socket's.
  ///   - isOver: asked every few milliseconds while as many wait there as may; true ends that.
  /// - Returns: the connection.
  /// - Throws: ``DeviceHandshakeError/system(errno:)``, with EINTR when `isOver` said so;
  ///   ``DeviceHandshakeError/timedOut`` when it accepts none for ten seconds.
  public static func connect(
    to path: String, until isOver: () -> Bool = { false }
  ) throws(DeviceHandshakeError) -> DeviceSocket {
    let deadline = cring_nanoseconds() &+ 10_000_000_000
    var connected: Int32 = -1
    var error = unsafe cring_socket_connect(path, &connected)
    while error == CRING_CHANNEL_TIMED_OUT, cring_nanoseconds() < deadline {
      if isOver() { throw .system(errno: CRING_CHANNEL_INTERRUPTED) }
      // As many wait as may; nothing tells when one was accepted.
      _ = cring_watch_wait(nil, 0, 10)
      error = unsafe cring_socket_connect(path, &connected)
    }
    guard error == 0 else { throw Self.failure(error) }
    return DeviceSocket(attaching: connected)
  }

  /// Whether the other end is gone: one system call.
  public var hasEnded: Bool { cring_socket_has_ended(fileDescriptor) }

  /// Ends the connection for both sides; a thread that waits for a message gets the end.
  public func shut() { cring_socket_shut(fileDescriptor) }

  /// Lets later calls wait that long and no longer, and not at all for 0.
  func setTimeout(nanoseconds: UInt64) throws(DeviceHandshakeError) {
    // To the kernel 0 means for ever: the shortest wait instead.
    let error = cring_channel_set_timeout(fileDescriptor, max(nanoseconds, 1))
    guard error == 0 else { throw .system(errno: error) }
  }

  func send(_ message: DeviceMessage, descriptors: [Int32] = []) throws(DeviceHandshakeError) {
    let error = unsafe withUnsafeBytes(of: message.words) { bytes in
      unsafe cring_message_send(fileDescriptor, bytes.baseAddress, bytes.count, descriptors, descriptors.count)
    }
    guard error == 0 else { throw Self.failure(error) }
  }

  /// One message and the descriptors that came with it, which are the caller's.
  func receive() throws(DeviceHandshakeError) -> (message: DeviceMessage, descriptors: [Int32]) {
    var words = InlineArray<32, UInt64>(repeating: 0)
    var descriptors = [Int32](repeating: -1, count: DeviceMessage.mostRegions)
    var (byteCount, descriptorCount) = (0, 0)
    let error = unsafe withUnsafeMutableBytes(of: &words) { bytes in
      unsafe cring_message_receive(
        fileDescriptor, bytes.baseAddress, bytes.count, &byteCount, &descriptors, descriptors.count, &descriptorCount)
    }
    guard error == 0 else { throw Self.failure(error) }
    guard descriptorCount <= descriptors.count else { throw .tooManyDescriptors(limit: descriptors.count) }
    descriptors.removeLast(descriptors.count - descriptorCount)
    do throws(DeviceHandshakeError) {
      guard byteCount > 0 else { throw .closed }
      guard byteCount == DeviceMessage.byteCount else { throw .wrongLength(byteCount: byteCount) }
      return (try DeviceMessage(words), descriptors)
    } catch {
      for descriptor in descriptors { cring_channel_close(descriptor) }
      throw error
    }
  }

  private static func failure(_ errno: Int32) -> DeviceHandshakeError {
    switch errno {
    case CRING_CHANNEL_GONE, CRING_CHANNEL_RESET: .closed
    case CRING_CHANNEL_TIMED_OUT: .timedOut
    default: .system(errno: errno)
    }
  }
}
