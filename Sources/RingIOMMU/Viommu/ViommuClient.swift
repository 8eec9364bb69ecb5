internal import CRing
public import RingKit

/// One side's connection to the `ViommuServer` that holds a device's translations: a request, and a wait for its
/// reply.
///
/// A mapper's counts as its ``ViommuExit``; a ``ViommuTranslator`` asks through one of its own. Used by one thread at a
/// time. What the server answers is not believed: length, header, sequence number and every field are checked, and
/// after the first reply that is wrong, late or missing the connection is closed for good.
public final class ViommuClient: ViommuExit, @unchecked Sendable {
  /// Longest wait for a reply, in nanoseconds.
  public let timeout: UInt64

  /// Asked some times a second while a reply is late; true gives the wait up, and the connection.
  package var isOver: () -> Bool = { false }

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
    let error = socket.setTimeout(nanoseconds: min(timeout, Self.longestCall))
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
    let sent = patiently { socket.send(request.words) }
    guard sent == 0 else { throw failure(sent) }
    var words = InlineArray<4, UInt64>(repeating: 0)
    var byteCount = 0
    let error = patiently {
      let received = socket.receive(&words)
      byteCount = received.byteCount
      return received.error
    }
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

  /// Tries again what took as long as one call may, until ``timeout`` is over.
  ///
  /// The clock is read only then.
  private func patiently(_ body: () -> Int32) -> Int32 {
    var error = body()
    guard error == CRING_CHANNEL_TIMED_OUT, timeout > Self.longestCall else { return error }
    let deadline = Deadline.after(cring_nanoseconds(), nanoseconds: timeout - Self.longestCall)
    while error == CRING_CHANNEL_TIMED_OUT, cring_nanoseconds() < deadline {
      if isOver() { return CRING_CHANNEL_INTERRUPTED }
      error = body()
    }
    return error
  }

  private static let longestCall: UInt64 = 250_000_000

  private func failure(_ errno: Int32) -> ViommuFailure {
    switch errno {
    case CRING_CHANNEL_TIMED_OUT: .timedOut(nanoseconds: timeout)
    case CRING_CHANNEL_GONE, CRING_CHANNEL_RESET: .closed
    default: .system(errno: errno)
    }
  }
}

/// A process that runs a `ViommuServer`, with a connection to it for each side.
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

/// Why the process that holds a device's translations did not do what was asked.
///
/// After any of them but ``refused(status:)`` the connection is closed for good: what the other side has done is not
/// known.
public enum ViommuFailure: Error, Equatable, Sendable {
  /// The other process, or this side after an earlier failure, has closed the connection.
  case closed
  /// Nothing was answered within this many nanoseconds.
  case timedOut(nanoseconds: UInt64)
  /// A reply of this many bytes, which no reply has.
  case wrongLength(byteCount: Int)
  /// A reply whose first word is not that of a reply.
  case wrongHeader(UInt64)
  /// A reply to another request than the last.
  case wrongSequence(expected: UInt64, found: UInt64)
  /// A reply that is none of those that the request can have: its permissions and level, and where it leads.
  case wrongAnswer(bits: UInt64, target: UInt64)
  /// The answer was no: which, as it stands in the reply.
  case refused(status: UInt16)
  /// The kernel did not carry the message (an errno).
  case system(errno: Int32)
}

extension ViommuFailure: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .closed: "the connection to the VMM is closed"
    case .timedOut(let time): "the VMM did not answer within \(time) ns"
    case .wrongLength(let count): "the VMM answered with \(count) bytes instead of 32"
    case .wrongHeader(let word): "the VMM's answer begins with 0x\(String(word, radix: 16)), which no answer does"
    case .wrongSequence(let expected, let found): "the VMM answered request \(found) instead of \(expected)"
    case .wrongAnswer(let bits, let target):
      "the VMM's answer 0x\(String(bits, radix: 16)), 0x\(String(target, radix: 16)) is none to what was asked"
    case .refused(let status): "the VMM refused: \(ViommuStatus(rawValue: status)?.description ?? "\(status)")"
    case .system(let errno): "the connection to the VMM failed: \(SystemError.text(errno))"
    }
  }
}

extension ViommuFailure {
  /// As the path throws it.
  @usableFromInline
  var dmaError: CustomDMAError {
    switch self {
    case .closed: CustomDMAError("the connection to the VMM is closed; connections left:", 0)
    case .timedOut(let time): CustomDMAError("the VMM did not answer within so many nanoseconds:", time)
    case .wrongLength(let count): CustomDMAError("the VMM did not answer with 32 bytes but", UInt64(count))
    case .wrongHeader(let word): CustomDMAError("the VMM's answer begins with no word of an answer but", word)
    case .wrongSequence(_, let found): CustomDMAError("the VMM answered another request than the last, number", found)
    case .wrongAnswer(let bits, _): CustomDMAError("the VMM's answer is none to what was asked, permissions", bits)
    case .refused(let status): CustomDMAError("the VMM refused, status", UInt64(status))
    case .system(let errno): CustomDMAError("the connection to the VMM failed", errno: errno)
    }
  }

  package static func refused(_ status: ViommuStatus) -> ViommuFailure { .refused(status: status.rawValue) }
}

/// What a `ViommuServer` answers to a request.
package enum ViommuStatus: UInt16, Sendable, CaseIterable {
  /// Done.
  case done = 0
  /// The request is none that this connection may make.
  case notAllowed = 1
  /// A range, an address or a permission that cannot be.
  case badRequest = 2
  /// A page of the range is mapped already; nothing was changed.
  case alreadyMapped = 3
  /// A page of the range, or the page asked for, is not mapped; what else was to be unmapped is.
  case notMapped = 4
  /// No memory for another table; nothing was changed.
  case exhausted = 5
}

extension ViommuStatus: CustomStringConvertible {
  /// A few words.
  package var description: String {
    switch self {
    case .done: "done"
    case .notAllowed: "this side may not ask for that"
    case .badRequest: "a range, address or permission that cannot be"
    case .alreadyMapped: "a page is mapped already"
    case .notMapped: "a page is not mapped"
    case .exhausted: "no memory left for page tables"
    }
  }
}
