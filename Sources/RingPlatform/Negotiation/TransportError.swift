/// Why a transport could not read or write a register.
public struct TransportError: Error, Equatable, Sendable {
  /// What was to be done, as the middle of a sentence: "reading the device status".
  public let operation: String
  /// Why it was not: "the other end is gone".
  public let reason: String

  /// A failure of `operation` because of `reason`.
  public init(operation: String, reason: String) {
    self.operation = operation
    self.reason = reason
  }
}

extension TransportError: CustomStringConvertible {
  /// Both in one sentence.
  public var description: String { "\(operation) failed: \(reason)" }
}
