public import RingKit

extension ShadowMapper {
  /// A mapper whose buffers a device behind an IOMMU sees through a window.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory, private or shared; need not contain the buffers.
  ///   - buffer: shared memory for as many buffers as it holds, see ``byteCount(slots:slotByteCount:)``; this queue's
  ///     alone from now on. Zeroed here.
  ///   - slotByteCount: bytes of one buffer, a multiple of 64.
  ///   - window: where the device sees `buffer`; `nil` when addresses are guest-physical.
  ///   - counter: counts the work.
  /// - Throws: ``ShadowConfigurationError``.
  public init(
    memory: GuestMemory, buffer: GuestBuffer, slotByteCount: Int = 2048, window: PremappedBuffer?, counter: Counter
  ) throws(ShadowConfigurationError) {
    try self.init(
      memory: memory, buffer: buffer, slotByteCount: slotByteCount,
      mapped: window.map { ($0.buffer, $0.address, $0) }, counter: counter)
  }
}
