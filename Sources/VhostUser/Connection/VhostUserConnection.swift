internal import CRing
internal import RingKit

/// One end of a vhost-user connection: whole messages over a non-blocking Unix socket, with descriptors beside them.
///
/// One thread's. Nothing here waits: ``receive()`` returns `nil` until a message is complete, ``send(_:)`` keeps what
/// the socket does not take, and ``wait(milliseconds:)`` or a poll of the caller's own tells when to go on. After an
/// error the connection is of no more use; what it holds is freed with it.
public final class VhostUserConnection {
  /// The socket, for a caller's own poll; closed with the connection.
  public let fileDescriptor: Int32

  /// What has come of the message that is being received, and the descriptors that came with it.
  private var incoming: [UInt8] = []
  private var descriptors: [PassedDescriptor] = []
  /// Bytes of that message, as far as is known.
  private var expected = VhostUserMessage.headerByteCount
  private var outgoing: [(bytes: ArraySlice<UInt8>, descriptors: [PassedDescriptor])] = []

  init(attached fileDescriptor: Int32) { self.fileDescriptor = fileDescriptor }

  deinit { cring_channel_close(fileDescriptor) }

  /// Takes over a connected socket, such as one that came with a message.
  ///
  /// - Throws: ``VhostUserError/notASocket``, or ``VhostUserError/system(operation:errno:)``; the descriptor is closed
  ///   then too.
  public init(attaching fileDescriptor: Int32) throws(VhostUserError) {
    self.fileDescriptor = fileDescriptor
    let error = cring_stream_attach(fileDescriptor)
    if error == CRING_STREAM_NOT_A_SOCKET { throw .notASocket }
    guard error == 0 else { throw .system(operation: "taking over a socket", errno: error) }
  }

  /// Connects to a peer that waits at `path`.
  ///
  /// Waits where as many connections wait to be accepted already as the peer allows.
  ///
  /// - Parameters:
  ///   - path: the socket's.
  ///   - timeout: how long to wait at most, in milliseconds.
  ///   - isOver: asked every few milliseconds of that; true ends the wait.
  /// - Throws: ``VhostUserError/system(operation:errno:)``; ECONNREFUSED or ENOENT when no peer waits, ETIMEDOUT when
  ///   it accepts none, EINTR when `isOver` said so.
  public convenience init(
    connectingTo path: String, timeout: Int = 10_000, until isOver: () -> Bool = { false }
  ) throws(VhostUserError) {
    let deadline = Deadline.after(cring_nanoseconds(), milliseconds: timeout)
    var connected: Int32 = -1
    var error = unsafe cring_stream_connect(path, &connected)
    while error == CRING_STREAM_WOULD_BLOCK {
      if isOver() {
        error = CRING_STREAM_INTERRUPTED
      } else if cring_nanoseconds() >= deadline {
        error = CRING_STREAM_TIMED_OUT
      } else {
        // Nothing tells when one of them was accepted.
        var pause = PollSet()
        _ = try pause.wait(milliseconds: 10)
        error = unsafe cring_stream_connect(path, &connected)
      }
    }
    guard error == 0 else { throw .system(operation: "connecting to \(path)", errno: error) }
    self.init(attached: connected)
  }

  /// Two ends of a new connection.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when the process has no descriptor left.
  public static func pair() throws(VhostUserError) -> (VhostUserConnection, VhostUserConnection) {
    let (first, second) = try socketPair()
    return (VhostUserConnection(attached: first), VhostUserConnection(attached: second))
  }

  /// A new connection whose far end is to be passed to the peer, as a front-end makes the back-end's channel.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when the process has no descriptor left.
  public static func channel() throws(VhostUserError) -> (near: VhostUserConnection, far: PassedDescriptor) {
    let (near, far) = try socketPair()
    return (VhostUserConnection(attached: near), PassedDescriptor(owning: far))
  }

  private static func socketPair() throws(VhostUserError) -> (Int32, Int32) {
    var made: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &made) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_stream_pair($0) }
    }
    guard error == 0 else { throw .system(operation: "making a pair of sockets", errno: error) }
    return made
  }

  // MARK: Sending

  /// Messages that wait for a peer to read at most.
  static let mostWaiting = 1024

  /// Whether messages wait for the socket to take them.
  public var isSending: Bool { !outgoing.isEmpty }

  /// Sends a message behind those that wait already; what the socket does not take now is kept for ``flush()``.
  ///
  /// - Throws: ``VhostUserError/closed``, ``VhostUserError/system(operation:errno:)``,
  ///   ``VhostUserError/notRead(messages:)``.
  public func send(_ message: VhostUserMessage) throws(VhostUserError) {
    precondition(
      message.payload.count <= VhostUserMessage.mostPayloadBytes
        && message.descriptors.count <= VhostUserMessage.mostDescriptors, "a message larger than any may be")
    outgoing.append(((message.headerBytes + message.payload)[...], message.descriptors))
    try flush()
    // A peer that asks and never reads must not have everything kept for it.
    guard outgoing.count <= Self.mostWaiting else { throw .notRead(messages: outgoing.count) }
  }

  /// Sends what was kept.
  ///
  /// - Throws: ``VhostUserError/closed``, ``VhostUserError/system(operation:errno:)``.
  public func flush() throws(VhostUserError) {
    while let (bytes, descriptors) = outgoing.first {
      var sent = 0
      let files = descriptors.map(\.fileDescriptor)
      let error = unsafe bytes.withUnsafeBytes { buffer in
        unsafe cring_stream_send(fileDescriptor, buffer.baseAddress, buffer.count, files, files.count, &sent)
      }
      if error == CRING_STREAM_WOULD_BLOCK { return }
      if error == CRING_STREAM_GONE || error == CRING_STREAM_RESET { throw .closed }
      guard error == 0 else { throw .system(operation: "sending a message", errno: error) }
      if sent == bytes.count {
        outgoing.removeFirst()
      } else {
        outgoing[0] = (bytes.dropFirst(sent), [])
      }
    }
  }

  // MARK: Receiving

  /// The next message, `nil` when none is complete yet.
  ///
  /// - Throws: ``VhostUserError``: the peer is gone, or what came is no message.
  public func receive() throws(VhostUserError) -> VhostUserMessage? {
    while incoming.count < expected {
      guard try receiveMore() else { return nil }
      if incoming.count == VhostUserMessage.headerByteCount { expected += try announcedByteCount() }
    }
    var reader = PayloadReader(incoming)
    let message = VhostUserMessage(
      request: reader.number(), flags: VhostUserMessageFlags(rawValue: reader.number()),
      payload: [UInt8](incoming.dropFirst(VhostUserMessage.headerByteCount)), descriptors: descriptors)
    (incoming, descriptors, expected) = ([], [], VhostUserMessage.headerByteCount)
    return message
  }

  /// The size of the payload, from a header that is complete.
  private func announcedByteCount() throws(VhostUserError) -> Int {
    var reader = PayloadReader(incoming)
    let request: UInt32 = reader.number()
    let flags = VhostUserMessageFlags(rawValue: reader.number())
    let byteCount: UInt32 = reader.number()
    guard flags.version == 1 else { throw .version(flags: flags.rawValue) }
    guard byteCount <= UInt32(VhostUserMessage.mostPayloadBytes) else {
      throw .payloadTooLong(request: request, byteCount: byteCount, limit: VhostUserMessage.mostPayloadBytes)
    }
    return Int(byteCount)
  }

  /// Takes what has come, to the header's end or the message's and no further; false when nothing has.
  private func receiveMore() throws(VhostUserError) -> Bool {
    var bytes = [UInt8](repeating: 0, count: expected - incoming.count)
    var files = [Int32](repeating: -1, count: VhostUserMessage.mostDescriptors)
    let room = VhostUserMessage.mostDescriptors - descriptors.count
    var (received, fileCount) = (0, 0)
    let error = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe cring_stream_receive(
        fileDescriptor, buffer.baseAddress, buffer.count, &received, &files, room, &fileCount)
    }
    if error == CRING_STREAM_WOULD_BLOCK { return false }
    if error == CRING_STREAM_TOO_MANY { throw .tooManyDescriptors(limit: VhostUserMessage.mostDescriptors) }
    if error == CRING_STREAM_RESET { throw .closed }
    guard error == 0 else { throw .system(operation: "receiving a message", errno: error) }
    descriptors += files.prefix(fileCount).map { PassedDescriptor(owning: $0) }
    guard received > 0 else { throw incoming.isEmpty ? .closed : .truncated(byteCount: incoming.count) }
    incoming += bytes.prefix(received)
    return true
  }

  /// Waits until something can be received, or until what was kept can be sent.
  ///
  /// - Parameter milliseconds: how long at most; -1 for ever.
  /// - Returns: false when the time ran out or a signal came.
  /// - Throws: ``VhostUserError/system(operation:errno:)``.
  public func wait(milliseconds: Int32) throws(VhostUserError) -> Bool {
    var set = PollSet()
    set.add(fileDescriptor, writable: isSending)
    return try set.wait(milliseconds: milliseconds)
  }
}
