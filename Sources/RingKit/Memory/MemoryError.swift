/// Why guest memory could not be made, placed or translated.
public enum MemoryError: Error, Equatable, Sendable {
  /// A region was asked for with a size the machine cannot have (0, or beyond the address space), in bytes.
  case invalidSize(Int)
  /// The kernel refused `operation` with this errno.
  case system(operation: String, errno: Int32)
  /// The machine has no such NUMA node.
  case noSuchNode(Int)
  /// Two regions claim the same guest-physical address.
  case overlap(GuestPhysicalAddress)
  /// A region's end is beyond 2^64.
  case addressOverflow(GuestPhysicalAddress, byteCount: Int)
  /// The segment does not lie inside one region.
  case outOfBounds(MemorySegment)
  /// The region has no room left for this many bytes.
  case exhausted(requested: Int, available: Int)
  /// An alignment that is not a power of two, in bytes.
  case invalidAlignment(Int)
}

extension MemoryError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .invalidSize(let bytes): "a region of \(bytes) bytes cannot be made"
    case .system(let operation, let errno): "\(operation) failed with errno \(errno)"
    case .noSuchNode(let node): "this machine has no NUMA node \(node)"
    case .overlap(let address): "two regions claim \(address)"
    case .addressOverflow(let address, let count): "\(count) bytes at \(address) end beyond 2^64"
    case .outOfBounds(let segment): "\(segment.length) bytes at \(segment.address) are not inside one region"
    case .exhausted(let requested, let available): "\(requested) bytes asked for, \(available) left in the region"
    case .invalidAlignment(let alignment): "an alignment of \(alignment) is not a power of two"
    }
  }
}
