import RingKit
import RingTestSupport
import Testing

/// Private memory is full of sentinels but for the buffers that are handed over; what the device sees is looked
/// through, every byte of it, after each map and each unmap.
///
/// What a map changes there is the submitted buffer's own bytes at its offset, or cleared; an unmap changes
/// nothing. So no byte is ever there that the device was not shown as part of a buffer. What an earlier buffer was
/// shown with may stay in a slot outside of what is lent (as under Linux, where slots are not cleared), never within.
@Suite("The sentinel test")
struct SentinelTests {
  @Test("no private byte beside a submitted buffer reaches the bounce pool", arguments: SentinelGuest.Mix.allCases)
  func swiotlb(mix: SentinelGuest.Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: SwiotlbPool.maximumMappingByteCount)
    let pool = try SwiotlbPool(guest.shared)
    var mapper = SwiotlbMapper(memory: guest.memory, pool: pool, cpu: 0, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 6000, "swiotlb") { _ in pool.buffer.address.rawValue }
    #expect(pool.usedSlots == 0)
  }

  @Test("no private byte beside a submitted buffer reaches the shadow buffers", arguments: SentinelGuest.Mix.allCases)
  func shadow(mix: SentinelGuest.Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: ShadowMapper<UncountedWork>.byteCount(slots: 8, slotByteCount: 2048))
    var mapper = try ShadowMapper(
      memory: guest.memory, buffer: guest.shared, slotByteCount: 2048, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 2048, "shadow") { _ in guest.shared.address.rawValue }
  }

  @Test(
    "no private byte beside a segment beyond the mask reaches the pool below it", arguments: SentinelGuest.Mix.allCases)
  func dmaMask(mix: SentinelGuest.Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: SwiotlbPool.maximumMappingByteCount)
    let pool = try SwiotlbPool(guest.shared)
    var mapper = try DMAMaskMapper(
      mask: 0xffff_ffff, memory: guest.memory, pool: pool, cpu: 0, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 6000, "dma-mask") { _ in pool.buffer.address.rawValue }
    #expect(pool.usedSlots == 0)
  }
}
