internal import CRing
package import RingIOMMU
public import RingKit

/// The driver's side of a device in another process: hands it the shared memory and the queues, and learns of its end.
///
/// Set up by one thread: ``share(_:)`` once, ``attach(_:)`` for each queue, ``start(_:)`` once; each returns when the
/// device has agreed. Afterwards ``hasEnded`` may be asked by any thread, and one may wait in ``report()``. What the
/// device answers is checked; after any error but ``DeviceHandshakeError/refused(_:)`` the connection is shut.
public final class DeviceLink: @unchecked Sendable {
  /// The process, when it was started by this one.
  package let process: ChildProcess?

  /// Asked some times a second while an answer is waited for; true ends the wait and the link.
  ///
  /// A device at work is given a quarter of a second to come to its end.
  package var isOver: () -> Bool = { false }

  private let socket: DeviceSocket
  private let timeout: UInt64
  // Used while the device is set up, by one thread.
  private var sent: UInt64 = 0
  private var received: UInt64 = 0

  /// A link to the device at the other end of a socket.
  ///
  /// - Parameters:
  ///   - socket: its other end is read by a ``DeviceEndpoint``.
  ///   - timeout: longest wait for an answer, in nanoseconds.
  /// - Throws: ``DeviceHandshakeError/system(errno:)`` when this is no socket.
  public convenience init(_ socket: DeviceSocket, timeout: UInt64 = 120_000_000_000) throws(DeviceHandshakeError) {
    try self.init(socket, process: nil, timeout: timeout)
  }

  /// A link that keeps the process at its other end running as long as it lives.
  private init(
    _ socket: DeviceSocket, process: ChildProcess?, timeout: UInt64 = 120_000_000_000
  ) throws(DeviceHandshakeError) {
    self.socket = socket
    self.process = process
    self.timeout = timeout
    try socket.setTimeout(nanoseconds: min(timeout, 250_000_000))
  }

  deinit { socket.shut() }

  /// Starts a program that is the device, with the connection at its descriptor 3 and nothing else of this process.
  ///
  /// - Throws: ``DeviceHandshakeError/system(errno:)`` when there is no such program, or no room for a process.
  public convenience init(starting executable: String, _ arguments: [String]) throws(DeviceHandshakeError) {
    let (here, there) = try DeviceSocket.pair()
    let process: ChildProcess
    do throws(ViommuFailure) {
      process = try ChildProcess(starting: executable, arguments, sockets: [there.fileDescriptor])
    } catch {
      guard case .system(let errno) = error else { throw .closed }
      throw .system(errno: errno)
    }
    try self.init(here, process: process)
  }

  /// Where a program started by ``init(starting:_:)`` finds its connection.
  public static let descriptor: Int32 = 3

  /// Passes on the shared regions of a guest; its private ones stay where they are.
  ///
  /// - Throws: ``DeviceHandshakeError``.
  public func share(_ memory: GuestMemory) throws(DeviceHandshakeError) {
    var message = DeviceMessage(.memory)
    var descriptors: [Int32] = []
    for region in memory.regions where region.isShared {
      // The other side maps a file from its beginning.
      guard let descriptor = region.fileDescriptor, region.fileOffset == 0 else { throw .notShared(region.guestBase) }
      guard descriptors.count < DeviceMessage.mostRegions else {
        throw .tooManyDescriptors(limit: DeviceMessage.mostRegions)
      }
      message.words[3 + 2 * descriptors.count] = region.guestBase.rawValue
      message.words[4 + 2 * descriptors.count] = UInt64(region.byteCount)
      descriptors.append(descriptor)
    }
    message.words[2] = UInt64(descriptors.count)
    try ask(message, descriptors)
  }

  /// Hands over a queue.
  ///
  /// - Throws: ``DeviceHandshakeError``; ``DeviceHandshakeError/refused(_:)`` when the device does not take it.
  public func attach(_ queue: DeviceQueueDescription) throws(DeviceHandshakeError) {
    try ask(try queue.message(), queue.descriptors)
  }

  /// Lets the device begin.
  ///
  /// - Parameter program: up to eight words for the program on the other side.
  /// - Throws: ``DeviceHandshakeError``; ``DeviceHandshakeError/wrongField(_:_:)`` for more words.
  public func start(_ program: [UInt64]) throws(DeviceHandshakeError) {
    var message = DeviceMessage(.start)
    try message.setConfiguration(program)
    try ask(message, [])
    // From now on nothing is asked: the next message is the last.
  }

  /// Whether the device's process has gone or ended the connection: one system call.
  public var hasEnded: Bool { socket.hasEnded }

  /// Ends the connection; the device ends with it.
  public func shut() { socket.shut() }

  /// Waits for what the device says at its end; `nil` when that is that all went well.
  ///
  /// - Throws: ``DeviceHandshakeError/closed`` when it ended without a word: it was killed, or this side has shut.
  public func report() throws(DeviceHandshakeError) -> String? {
    var wasOver = false
    func isGivenUp() -> Bool {
      defer { wasOver = wasOver || isOver() }
      return wasOver
    }
    let message = try wait(isGivenUp: isGivenUp) { () throws(DeviceHandshakeError) in try receive(.report) }
    return message.words[2] == DeviceMessage.Status.done.rawValue ? nil : try message.text()
  }

  private func ask(_ message: DeviceMessage, _ descriptors: [Int32]) throws(DeviceHandshakeError) {
    var message = message
    sent += 1
    message.words[1] = sent
    do throws(DeviceHandshakeError) {
      let deadline = Deadline.after(cring_nanoseconds(), nanoseconds: timeout)
      try wait(until: deadline, isGivenUp: isOver) { () throws(DeviceHandshakeError) in
        try socket.send(message, descriptors: descriptors)
      }
      let reply = try wait(until: deadline, isGivenUp: isOver) { () throws(DeviceHandshakeError) in
        try receive(.reply)
      }
      if reply.words[2] != DeviceMessage.Status.done.rawValue { throw .refused(try reply.text()) }
    } catch {
      // A device that was asked something it does not take is still there for something else.
      if case .refused = error { throw error }
      socket.shut()
      throw error
    }
  }

  /// Tries again what took as long as one call may.
  private func wait<Value>(
    until deadline: UInt64 = .max, isGivenUp: () -> Bool, _ body: () throws(DeviceHandshakeError) -> Value
  ) throws(DeviceHandshakeError) -> Value {
    while true {
      do throws(DeviceHandshakeError) { return try body() } catch {
        guard error == .timedOut, cring_nanoseconds() < deadline else { throw error }
        if isGivenUp() { throw .system(errno: CRING_CHANNEL_INTERRUPTED) }
      }
    }
  }

  private func receive(_ kind: DeviceMessage.Kind) throws(DeviceHandshakeError) -> DeviceMessage {
    let (message, descriptors) = try socket.receive()
    DeviceEndpoint.close(descriptors)
    guard descriptors.isEmpty else { throw .wrongDescriptors(expected: 0, found: descriptors.count) }
    guard message.kind == kind else { throw .unexpected(kind: message.kind.rawValue) }
    received += 1
    guard message.words[1] == received else { throw .wrongSequence(expected: received, found: message.words[1]) }
    guard DeviceMessage.Status(rawValue: message.words[2]) != nil else { throw .wrongField("status", message.words[2]) }
    return message
  }
}
