/// Why a queue cannot be set up as asked.
public enum QueueConfigurationError: Error, Equatable, Sendable {
  /// Split: not a power of two from 1 to 32,768. Packed: not from 1 to 32,768.
  case invalidSize(Int)
  /// The ring's memory is smaller than its layout, in bytes.
  case memoryTooSmall(available: Int, needed: Int)
  /// A ring part does not lie at a multiple of its alignment.
  case misaligned(GuestPhysicalAddress, alignment: Int)
  /// The features contradict the layout or each other.
  case features(VirtioFeatures, reason: String)
}

extension QueueConfigurationError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .invalidSize(let size): "a queue of \(size) entries is not possible"
    case .memoryTooSmall(let available, let needed): "the ring needs \(needed) bytes, \(available) were given"
    case .misaligned(let address, let alignment): "\(address) is not a multiple of \(alignment)"
    case .features(let features, let reason): "features \(features): \(reason)"
    }
  }
}
