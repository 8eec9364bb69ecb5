public import RingKit

/// Why the process that holds a device's translations did not do what was asked.
///
/// After any of them but ``refused(status:)`` the connection is closed for good: what the other side has done is not known.
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
    case .system(let errno): CustomDMAError(errno: errno)
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
