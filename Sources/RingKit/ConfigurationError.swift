/// Why a ring, a queue, a bounce pool or a DMA path cannot be made as asked.
public enum ConfigurationError: Error, Equatable, Sendable {
  /// Split: not a power of two from 1 to 32,768. Packed: not from 1 to 32,768.
  case invalidSize(Int)
  /// The memory is smaller than what is to lie there, in bytes: a ring's layout, or one shadow buffer.
  case memoryTooSmall(available: Int, needed: Int)
  /// A ring's part, a bounce pool or shadow buffers do not lie at a multiple of their alignment.
  case misaligned(GuestPhysicalAddress, alignment: Int)
  /// The features contradict the layout or each other.
  case features(VirtioFeatures, reason: String)
  /// A bounce pool or shadow buffers lie in private memory, which no device sees.
  case notShared(GuestPhysicalAddress)
  /// A bounce pool is not a whole number of segments of 128 slots (256 KiB), or is empty, in bytes.
  case notWholeSegments(byteCount: Int)
  /// A bounce pool has more slots than a slot number can tell apart.
  case poolTooLarge(byteCount: Int)
  /// A bounce pool with fewer areas than one.
  case invalidAreaCount(Int)
  /// A bounce pool's segments cannot be shared out evenly among so many areas.
  case unevenAreas(segments: Int, areas: Int)
  /// A bounce pool does not end below the device's mask, so that what is bounced would be as far away as before.
  case poolBeyondMask(GuestPhysicalAddress, byteCount: Int, limit: UInt64)
  /// A shadow buffer's size is not a multiple of 64 bytes from 64 up to 1 GiB.
  case invalidSlotSize(byteCount: Int)
  /// The memory that was mapped for the device is not that of the shadow buffers.
  case notPremapped(GuestPhysicalAddress)
  /// There is no retpoline for this machine's architecture.
  case retpolineUnavailable
}

extension ConfigurationError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .invalidSize(let size): "a queue of \(size) entries is not possible"
    case .memoryTooSmall(let available, let needed): "\(needed) bytes are needed, \(available) were given"
    case .misaligned(let address, let alignment): "\(address) is not a multiple of \(alignment)"
    case .features(let features, let reason): "features \(features): \(reason)"
    case .notShared(let address): "the memory at \(address) is private, so no device sees it"
    case .notWholeSegments(let count): "a bounce pool of \(count) bytes is not a whole number of 256 KiB segments"
    case .poolTooLarge(let count): "a bounce pool of \(count) bytes has too many slots"
    case .invalidAreaCount(let count): "a bounce pool cannot have \(count) areas"
    case .unevenAreas(let segments, let areas): "\(segments) segments cannot be shared out among \(areas) areas"
    case .poolBeyondMask(let address, let count, let limit):
      "a bounce pool of \(count) bytes at \(address) does not end below the device's mask 0x\(String(limit, radix: 16))"
    case .invalidSlotSize(let count): "a shadow buffer has a multiple of 64 bytes up to 1 GiB, not \(count)"
    case .notPremapped(let address): "what was mapped for the device is not the shadow buffers at \(address)"
    case .retpolineUnavailable: "retpolines are built for x86-64 only"
    }
  }
}
