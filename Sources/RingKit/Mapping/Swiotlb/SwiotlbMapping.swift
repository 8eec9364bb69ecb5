/// What a bounced mapping is undone by: the slot the device was given, and the length that was copied.
///
/// Lives in the driver's private memory. Only ``SwiotlbMapper`` makes one that means anything.
@frozen
public struct SwiotlbMapping: BitwiseCopyable, Sendable {
  /// The address the device was given: the start of the first bounce slot.
  public let address: IOVA
  /// The mapped length in bytes; 0 where nothing is mapped.
  public let byteCount: UInt32
  /// Tells this mapping from earlier ones of the same mapper in the same slot.
  @usableFromInline let serial: UInt32

  @inlinable
  init(address: IOVA, byteCount: UInt32, serial: UInt32) {
    self.address = address
    self.byteCount = byteCount
    self.serial = serial
  }
}
