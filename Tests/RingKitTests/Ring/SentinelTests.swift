import RingKit
import RingKitTestSupport
import Testing

/// Private memory is full of sentinels but for the buffers that are handed over; what the device sees is looked through,
/// every byte of it, after each map and each unmap.
///
/// What a map changes there is the submitted buffer's own bytes in the place it was given, or cleared; an unmap changes
/// nothing. So no byte is ever there that the device was not shown as part of a buffer. What an earlier buffer was shown
/// with may stay in a slot outside of what is lent (as under Linux, where slots are not cleared), never within.
@Suite("The sentinel test")
struct SentinelTests {
  enum Mix: String, CaseIterable {
    case readable
    case writable
    case both
  }

  @Test("no private byte beside a submitted buffer reaches the bounce pool", arguments: Mix.allCases)
  func swiotlb(mix: Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: SwiotlbPool.maximumMappingByteCount)
    let pool = try SwiotlbPool(guest.shared)
    var mapper = SwiotlbMapper(memory: guest.memory, pool: pool, cpu: 0, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 6000, "swiotlb") { _ in pool.buffer.address.rawValue }
    #expect(pool.usedSlots == 0)
  }

  @Test("no private byte beside a submitted buffer reaches the shadow buffers", arguments: Mix.allCases)
  func shadow(mix: Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: ShadowMapper<NoWork>.byteCount(slots: 8, slotByteCount: 2048))
    var mapper = try ShadowMapper(
      memory: guest.memory, buffer: guest.shared, slotByteCount: 2048, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 2048, "shadow") { _ in guest.shared.address.rawValue }
  }

  @Test("no private byte beside a segment beyond the mask reaches the pool below it", arguments: Mix.allCases)
  func dmaMask(mix: Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: SwiotlbPool.maximumMappingByteCount)
    let pool = try SwiotlbPool(guest.shared)
    var mapper = try DMAMaskMapper(
      mask: 0xffff_ffff, memory: guest.memory, pool: pool, cpu: 0, counter: CountedWork())
    try guest.exercise(&mapper, mix, longest: 6000, "dma-mask") { _ in pool.buffer.address.rawValue }
    #expect(pool.usedSlots == 0)
  }

  @Test("no private byte beside a short segment reaches the shadow buffers of hybrid", arguments: Mix.allCases)
  func hybrid(mix: Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: ShadowMapper<NoWork>.byteCount(slots: 8, slotByteCount: 2048))
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: guest.memory, configuration: configuration)
    let window = try PremappedBuffer(guest.shared, domain: domain)
    var mapper = HybridMapper(
      threshold: HybridThreshold(1000),
      copying: try ShadowMapper(
        memory: guest.memory, buffer: guest.shared, slotByteCount: 2048, window: window, counter: CountedWork()),
      mapping: IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork()))
    // What is mapped is reached in place, and by whole pages: that is not this test's.
    try guest.exercise(&mapper, mix, longest: 1500, "hybrid") { $0 < 1000 ? window.address.rawValue : nil }
  }
}
