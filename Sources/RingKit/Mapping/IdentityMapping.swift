/// What an identity mapping is undone by: the two arguments its unmap operation takes.
@frozen
public struct IdentityMapping: BitwiseCopyable, Sendable {
  /// The address the device was given.
  public let address: IOVA
  /// The mapped length in bytes; 0 where nothing is mapped.
  public let byteCount: UInt32

  @inlinable
  init(address: IOVA, byteCount: UInt32) {
    self.address = address
    self.byteCount = byteCount
  }
}
