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
