/// Why a queue end could not go on.
///
/// A full or an empty ring is not among them: those are values.
public enum QueueError: Error, Equatable, Sendable {
  /// The peer broke a rule. The queue is broken from now on: reset it.
  case violation(RingViolation)
  /// The peer's address does not lead to memory. The queue is broken from now on.
  case fault(DMAFault)
  /// A segment could not be mapped. Nothing was made available and the queue is as before; or, when it came from an
  /// unmap, the queue is broken.
  case mapping(DMAError)
  /// An earlier error broke the queue and it was not reset since.
  case broken
  /// The chain would never fit: more segments than the queue has descriptors, or no segment at all.
  case invalidChain(segments: Int, maximum: Int)
  /// The chain holds more than 2^32 bytes (S4, virtio 1.2, 2.7.5).
  case chainTooLarge(byteCount: UInt64)
}

extension QueueError {
  /// Whether the queue is as it was before the call, which can be made again later (``DMAFault/pending(_:_:)``).
  @inlinable
  public var isPending: Bool { if case .fault(let fault) = self { fault.isPending } else { false } }
}

extension QueueError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .violation(let violation): violation.description
    case .fault(let fault): "the peer's address is bad: \(fault)"
    case .mapping(let error): "mapping failed: \(error)"
    case .broken: "the queue is broken by an earlier error and was not reset"
    case .invalidChain(let segments, let maximum): "a chain of \(segments) segments, not 1 to \(maximum)"
    case .chainTooLarge(let count): "a chain of \(count) bytes, more than 2^32"
    }
  }
}

/// What a peer wrote into a ring that the specification does not allow, with the value it wrote.
public struct RingViolation: Error, Equatable, Sendable {
  /// What kind of value was wrong.
  @usableFromInline
  package enum Field: String, Sendable {
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
    /// Whatever a queue of a user's own found.
    case value
  }

  /// The rule that was broken.
  public let rule: RingRule
  /// Which value broke it.
  package let field: Field
  /// The value, as read (once) from the ring.
  public let value: UInt64
  /// What it was held against, where that is a number.
  public let limit: UInt64

  /// What a queue of your own found.
  public init(_ rule: RingRule, value: UInt64, limit: UInt64 = 0) { self.init(rule, .value, value, limit: limit) }

  @usableFromInline
  package init(_ rule: RingRule, _ field: Field, _ value: UInt64, limit: UInt64 = 0) {
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

/// A rule of the specification's ring chapters that a peer can break.
///
/// `s…` are the split ring's (virtio 1.2, 2.7), `p…` the packed ring's (2.8), as in `Documentation/rules.md`.
public enum RingRule: String, Sendable, CaseIterable {
  /// Device-writable descriptors come after device-readable ones.
  case s2 = "S2"
  /// A chain holds at most 2^32 bytes and has no loop.
  case s4 = "S4"
  /// IN_ORDER: `next` is the following descriptor, 0 after the table's last.
  case s5 = "S5"
  /// INDIRECT only where it was negotiated.
  case s6 = "S6"
  /// No indirect table inside an indirect table.
  case s7 = "S7"
  /// A chain is no longer than the queue.
  case s8 = "S8"
  /// Never INDIRECT with NEXT.
  case s9 = "S9"
  /// IN_ORDER: descriptors of an indirect table follow each other.
  case s10 = "S10"
  /// The available index never goes back.
  case s11 = "S11"
  /// A used entry names a buffer that is in flight.
  case s27 = "S27"
  /// No more is written than the buffer holds.
  case s28 = "S28"
  /// A list is no longer than the device's limit and the queue.
  case p6 = "P6"
  /// Device-writable elements come after device-readable ones.
  case p7 = "P7"
  /// The first descriptor of a list becomes available last: the rest is available with it.
  case p10 = "P10"
  /// INDIRECT only where it was negotiated.
  case p11 = "P11"
  /// Only WRITE inside an indirect table.
  case p12 = "P12"
  /// An indirect list is no longer than the device's limit.
  case p13 = "P13"
  /// No INDIRECT inside a list linked by NEXT.
  case p14 = "P14"
  /// Used descriptors name buffers that are in flight.
  case p18 = "P18"
  /// A used descriptor is used once; no more is written than the buffer holds.
  case p21 = "P21"
}
