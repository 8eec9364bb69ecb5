/// What a peer wrote into a ring that the specification does not allow, with the value it wrote.
public struct RingViolation: Error, Equatable, Sendable {
  /// What kind of value was wrong.
  public enum Field: String, Sendable {
    /// The available or used index moved further than the ring allows.
    case index
    /// A head, `next` or buffer id that is outside the ring.
    case identifier
    /// An id that names a buffer which is not in flight.
    case notInFlight = "not in flight"
    /// A length, in bytes.
    case length
    /// A descriptor's flags.
    case flags
    /// The number of descriptors in a chain or table.
    case count
    /// An address.
    case address
  }

  /// The rule that was broken.
  public let rule: RingRule
  /// Which value broke it.
  public let field: Field
  /// The value, as read (once) from the ring.
  public let value: UInt64
  /// What it was held against, where that is a number.
  public let limit: UInt64

  @usableFromInline
  init(_ rule: RingRule, _ field: Field, _ value: UInt64, limit: UInt64 = 0) {
    self.rule = rule
    self.field = field
    self.value = value
    self.limit = limit
  }
}

extension RingViolation: CustomStringConvertible {
  /// One sentence that names rule and value.
  public var description: String {
    "\(rule.rawValue) broken by the peer: \(field.rawValue) 0x\(String(value, radix: 16)), limit \(limit)"
  }
}
