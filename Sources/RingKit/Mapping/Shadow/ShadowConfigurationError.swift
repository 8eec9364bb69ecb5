/// Why a stretch of memory cannot serve as a queue's shadow buffers.
public enum ShadowConfigurationError: Error, Equatable, Sendable {
  /// A buffer's size is not a multiple of 64 bytes from 64 up to 1 GiB.
  case invalidSlotSize(byteCount: Int)
  /// The memory does not start on a cache line of 64 bytes.
  case misaligned(GuestPhysicalAddress)
  /// The memory is private, so that no device can see it.
  case notShared(GuestPhysicalAddress)
  /// The memory does not hold a single buffer.
  case tooSmall(byteCount: Int, slotByteCount: Int)
  /// The window the device has is not of this memory.
  case notWindow(GuestPhysicalAddress)
}

extension ShadowConfigurationError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .invalidSlotSize(let count): "a shadow buffer has a multiple of 64 bytes up to 1 GiB, not \(count)"
    case .misaligned(let address): "shadow buffers at \(address) do not start on a cache line of 64 bytes"
    case .notShared(let address): "shadow buffers at \(address) lie in memory that no device can see"
    case .tooSmall(let count, let slot): "\(count) bytes do not hold a shadow buffer of \(slot) bytes"
    case .notWindow(let address): "the device's window is not that of the shadow buffers at \(address)"
    }
  }
}
