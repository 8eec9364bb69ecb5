import RingKit
import Testing

/// A guest with private memory, and shadow buffers beside it.
struct ShadowFixture {
  static let driverBase: UInt64 = 0x1_0000_0000
  static let shadowBase: UInt64 = 0x4000_0000

  let memory: GuestMemory
  let driver: GuestBuffer
  let shadow: GuestBuffer
  let slotByteCount: Int

  init(slots: Int = 8, slotByteCount: Int = 2048, driverByteCount: Int = 65_536) throws {
    let hidden = try MemoryRegion(
      at: GuestPhysicalAddress(Self.driverBase), byteCount: driverByteCount, isShared: false)
    let region = try MemoryRegion(
      at: GuestPhysicalAddress(Self.shadowBase),
      byteCount: ShadowMapper<UncountedWork>.byteCount(slots: slots, slotByteCount: slotByteCount))
    driver = GuestBuffer(whole: hidden)
    shadow = GuestBuffer(whole: region).slice(
      at: 0, byteCount: ShadowMapper<UncountedWork>.byteCount(slots: slots, slotByteCount: slotByteCount))
    memory = try GuestMemory([hidden])
    self.slotByteCount = slotByteCount
  }

  func mapper() throws -> ShadowMapper<CountedWork> {
    try ShadowMapper(memory: memory, buffer: shadow, slotByteCount: slotByteCount, counter: CountedWork())
  }

  /// The driver's own bytes.
  @unsafe func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: driver.bytes[range])
  }

  /// What the device sees at an address.
  @unsafe func seen(_ address: IOVA, _ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let offset = Int(address.rawValue - Self.shadowBase)
    return unsafe UnsafeMutableRawBufferPointer(rebasing: shadow.bytes[offset..<offset + byteCount])
  }
}
