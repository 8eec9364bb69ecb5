internal import CRing
public import RingKit

/// One side's connection to the ``ViommuServer`` that holds a device's translations: a request, and a wait for its
/// reply.
///
/// A mapper's counts as its ``ViommuExit``; a ``ViommuTranslator`` asks through one of its own. Used by one thread at a
/// time. What the server answers is not believed: length, header, sequence number and every field are checked, and
/// after the first reply that is wrong, late or missing the connection is closed for good.
public final class ViommuClient: ViommuExit, @unchecked Sendable {
  /// Longest wait for a reply, in nanoseconds.
  public let timeout: UInt64

  private let socket: ViommuSocket
  // Ends with the last client.
  private let process: ChildProcess?
  private var sequence: UInt64 = 0

  /// A client over a connected socket, which it closes.
  ///
  /// - Parameters:
  ///   - socket: its other end is served by a ``ViommuServer``.
  ///   - timeout: longest wait for a reply, in nanoseconds.
  ///   - process: kept running as long as the client lives.
  /// - Throws: ``ViommuFailure/system(errno:)`` when this is no socket.
  package init(
    _ socket: ViommuSocket, timeout: UInt64 = 10_000_000_000, process: ChildProcess? = nil
  ) throws(ViommuFailure) {
    self.socket = socket
    self.timeout = timeout
    self.process = process
    let error = socket.setTimeout(nanoseconds: timeout)
    guard error == 0 else { throw .system(errno: error) }
  }

  deinit { socket.close() }

  /// Whether an earlier failure ended the connection.
  public var isClosed: Bool { socket.fileDescriptor < 0 }

  /// Asks the server to enter a range.
  public func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure) {
    _ = try ask(
      ViommuRequest(
        .map, page: address.rawValue >> IOMMUPage.shift, pages: pages, target: target.rawValue >> IOMMUPage.shift,
        permissions: PageTableEntry.permission(for: direction)))
  }

  /// Asks the server to forget a range.
  public func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure) {
    _ = try ask(ViommuRequest(.unmap, page: address.rawValue >> IOMMUPage.shift, pages: pages))
  }

  /// Asks where a page leads: its leaf and the level of that.
  func translation(ofPage page: UInt64) throws(ViommuFailure) -> (entry: PageTableEntry, level: Int) {
    let reply = try ask(ViommuRequest(.translate, page: page))
    return (PageTableEntry(bits: reply.target | reply.permissions), reply.level)
  }

  private func ask(_ request: ViommuRequest) throws(ViommuFailure) -> ViommuReply {
    if isClosed { throw .closed }
    var request = request
    sequence &+= 1
    request.sequence = sequence
    do throws(ViommuFailure) {
      let reply = try exchange(request)
      if reply.status == .done { return reply }
      throw .refused(reply.status)
    } catch {
      // After anything but a plain no, what comes next on the connection may be the answer to something else.
      if case .refused = error { throw error }
      socket.close()
      throw error
    }
  }

  private func exchange(_ request: ViommuRequest) throws(ViommuFailure) -> ViommuReply {
    let sent = socket.send(request.words)
    guard sent == 0 else { throw failure(sent) }
    var words = InlineArray<4, UInt64>(repeating: 0)
    let (error, byteCount) = socket.receive(&words)
    guard error == 0 else { throw failure(error) }
    guard byteCount > 0 else { throw .closed }
    guard byteCount == ViommuReply.byteCount else { throw .wrongLength(byteCount: byteCount) }
    guard let reply = ViommuReply(words) else { throw .wrongHeader(words[0]) }
    guard reply.sequence == request.sequence else {
      throw .wrongSequence(expected: request.sequence, found: reply.sequence)
    }
    guard reply.answers(request.kind) else { throw .wrongAnswer(bits: reply.bits, target: reply.target) }
    return reply
  }

  private func failure(_ errno: Int32) -> ViommuFailure {
    switch errno {
    case CRING_CHANNEL_TIMED_OUT: .timedOut(nanoseconds: timeout)
    case CRING_CHANNEL_GONE, CRING_CHANNEL_RESET: .closed
    default: .system(errno: errno)
    }
  }
}

/// A process that runs a ``ViommuServer``, with a connection to it for each side.
///
/// The program started must serve the sockets it finds at its descriptors ``driverDescriptor`` and
/// ``deviceDescriptor``, and end when both have. It is killed when the value and both clients are gone.
public struct ViommuProcess {
  /// Where the program finds the driver's connection.
  public static let driverDescriptor: Int32 = 3
  /// Where the program finds the device's connection.
  public static let deviceDescriptor: Int32 = 4

  /// The process itself.
  package let process: ChildProcess
  /// For a ``ViommuMapper``.
  public let driver: ViommuClient
  /// For a ``ViommuTranslator``.
  public let device: ViommuClient

  /// Starts the program.
  ///
  /// - Throws: ``ViommuFailure/system(errno:)`` when there is no such program, or no room for a process.
  public init(
    executable: String, arguments: [String], timeout: UInt64 = 10_000_000_000
  ) throws(ViommuFailure) {
    let (driver, served) = try ViommuSocket.pair()
    let (device, asked) = try ViommuSocket.pair()
    // Its ends are closed here with this function: only then is the process's end seen as the connection's.
    let sockets = [served.fileDescriptor, asked.fileDescriptor]
    process = try ChildProcess(starting: executable, arguments, sockets: sockets)
    withExtendedLifetime((served, asked)) {}
    self.driver = try ViommuClient(driver, timeout: timeout, process: process)
    self.device = try ViommuClient(device, timeout: timeout, process: process)
  }
}
