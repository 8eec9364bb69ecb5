/// Why a stretch of memory cannot serve as a bounce pool.
public enum SwiotlbConfigurationError: Error, Equatable, Sendable {
  /// The size is not a whole number of segments of 128 slots (256 KiB), or is 0, in bytes.
  case notWholeSegments(byteCount: Int)
  /// The pool does not start on a 4 KiB page, so slots could not keep the alignment they promise.
  case misaligned(GuestPhysicalAddress)
  /// The pool lies in private memory, which a device cannot see.
  case notShared(GuestPhysicalAddress)
  /// Fewer than one area was asked for.
  case invalidAreaCount(Int)
  /// The segments cannot be shared out evenly among so many areas.
  case unevenAreas(segments: Int, areas: Int)
  /// The pool has more slots than a slot number can tell apart.
  case tooLarge(byteCount: Int)
}

extension SwiotlbConfigurationError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .notWholeSegments(let count): "a bounce pool of \(count) bytes is not a whole number of 256 KiB segments"
    case .misaligned(let address): "a bounce pool at \(address) does not start on a 4 KiB page"
    case .notShared(let address): "a bounce pool at \(address) lies in memory that no device can see"
    case .invalidAreaCount(let count): "a bounce pool cannot have \(count) areas"
    case .unevenAreas(let segments, let areas): "\(segments) segments cannot be divided evenly among \(areas) areas"
    case .tooLarge(let count): "a bounce pool of \(count) bytes has more slots than can be numbered"
    }
  }
}
