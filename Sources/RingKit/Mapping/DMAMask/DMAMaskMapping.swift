/// What a mapping under a device's mask is undone by: the address the device was given tells which path it went.
@frozen
public struct DMAMaskMapping: BitwiseCopyable, Sendable {
  /// The address the device was given: the segment's own, or that of a bounce slot.
  public let address: IOVA
  /// The mapped length in bytes; 0 where nothing is mapped.
  public let byteCount: UInt32
  /// Of a bounced mapping; see ``SwiotlbMapping``.
  @usableFromInline let serial: UInt32

  @inlinable
  init(address: IOVA, byteCount: UInt32, serial: UInt32) {
    self.address = address
    self.byteCount = byteCount
    self.serial = serial
  }
}
