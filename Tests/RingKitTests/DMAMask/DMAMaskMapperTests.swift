import RingKit
import RingKitTesting
import Testing

@Suite("A device's DMA mask")
struct DMAMaskMapperTests {
  private static let mask: UInt64 = 0xFFFF_FFFF
  private let memory: GuestMemory
  private let pool: SwiotlbPool
  /// 64 KiB below 4 GiB and as many above it.
  private let driver: GuestBuffer

  init() throws {
    driver = GuestBuffer(
      whole: try MemoryRegion(at: GuestPhysicalAddress(Self.mask + 1 - 65_536), byteCount: 131_072))
    pool = try SwiotlbPool(SwiotlbFixture.buffer(262_144))
    memory = try GuestMemory([driver.region])
  }

  private func mapper(mask: UInt64 = mask) throws -> DMAMaskMapper<CountedWork> {
    try DMAMaskMapper(mask: mask, memory: memory, pool: pool, cpu: 0, counter: CountedWork())
  }

  private func segment(_ address: UInt64, _ length: Int) -> MemorySegment {
    MemorySegment(GuestPhysicalAddress(address), length: UInt32(length))
  }

  @Test("what ends at or below the mask goes as it is; what ends one byte beyond is bounced")
  func boundary() throws {
    var mapper = try mapper()
    for (start, length, isBounced) in [
      (Self.mask, 1, false), (Self.mask - 63, 64, false), (Self.mask - 62, 64, true), (Self.mask + 1, 1, true),
      (Self.mask + 4096, 1500, true), (Self.mask - 65_535, 65_536, false),
    ] {
      let before = mapper.work.counts
      let mapped = try mapper.map(segment(start, length), .deviceReadable)
      #expect(pool.contains(mapped.address) == isBounced, "\(length) bytes at \(start)")
      if !isBounced { #expect(mapped.address == IOVA(start)) }
      try mapper.unmap(mapped.mapping, .deviceReadable)
      let done = mapper.work.counts - before
      #expect(done[.maps] == 1 && done[.unmaps] == 1)
      #expect(done[.bounced] == (isBounced ? 1 : 0))
      #expect(done[.bytesCopiedIn] == (isBounced ? UInt64(length) : 0))
    }
    #expect(pool.usedSlots == 0)
  }

  @Test("no address the device is given ends beyond its mask", arguments: [1, 2] as [UInt64])
  func reach(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var mapper = try mapper()
    let base = driver.address.rawValue
    var bounced: UInt64 = 0
    for _ in 0..<2000 {
      let length = Int.random(in: 1...4096, using: &generator)
      let start = base + UInt64.random(in: 0...UInt64(driver.byteCount - length), using: &generator)
      let mapped = try mapper.map(segment(start, length), .deviceReadable)
      #expect(mapped.address.rawValue + UInt64(length) - 1 <= Self.mask)
      if start + UInt64(length) - 1 > Self.mask { bounced += 1 }
      try mapper.unmap(mapped.mapping, .deviceReadable)
    }
    let counts = mapper.work.counts
    #expect(counts[.bounced] == bounced, "seed \(seed)")
  }

  @Test("a bounced segment comes back with what the device wrote and nothing beside it; the pool may be full meanwhile")
  func bounces() throws {
    var mapper = try mapper()
    unsafe driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
    let far = try mapper.map(driver.segment(at: 70_000, length: 100), .deviceWritable)
    let offset = Int(far.address.rawValue - pool.buffer.address.rawValue)
    let seen = unsafe UnsafeMutableRawBufferPointer(rebasing: pool.buffer.bytes[offset..<offset + 100])
    #expect(unsafe isFilled(seen, with: 0x11))
    unsafe seen[0] = 0x77
    var rest: [SwiotlbMapping] = []
    for _ in 0..<127 { rest.append(try mapper.map(driver.segment(at: 70_000, length: 1), .deviceReadable).mapping) }
    let full = #expect(throws: DMAError.self) {
      _ = try mapper.map(driver.segment(at: 70_000, length: 1), .deviceReadable)
    }
    #expect(full == .bouncePoolFull(byteCount: 1, total: 128, used: 128))
    // What the device reaches needs no slot.
    rest.append(try mapper.map(driver.segment(length: 64), .deviceReadable).mapping)
    for mapping in rest { try mapper.unmap(mapping, .deviceReadable) }
    try mapper.unmap(far.mapping, .deviceWritable)
    #expect(unsafe driver.bytes[70_000] == 0x77)
    #expect(unsafe driver.bytes[69_999] == 0x11 && driver.bytes[70_001] == 0x11 && driver.bytes[70_100] == 0x11)
    let counts = mapper.work.counts
    #expect(counts[.maps] == 129 && counts[.unmaps] == 129 && counts[.bounced] == 128)
    #expect(pool.usedSlots == 0)
  }

  @Test("what cannot be mapped or undone is refused with the reason")
  func refusals() throws {
    var mapper = try mapper()
    for empty in [segment(driver.address.rawValue, 0), segment(0, 0), segment(Self.mask + 1, 0)] {
      let error = #expect(throws: DMAError.self) { _ = try mapper.map(empty, .deviceReadable) }
      #expect(error == .outOfBounds(empty))
    }
    for outside in [segment(Self.mask + 65_530, 64), segment(.max, 2), segment(.max - 1, 2)] {
      let error = #expect(throws: DMAError.self) { _ = try mapper.map(outside, .deviceReadable) }
      #expect(error == .outOfBounds(outside))
    }
    let never = DMAMaskMapper<CountedWork>.unmapped
    #expect(throws: DMAError.notMapped(IOVA(0))) { try mapper.unmap(never, .deviceReadable) }
    let far = try mapper.map(driver.segment(at: 70_000, length: 8), .deviceReadable)
    try mapper.unmap(far.mapping, .deviceReadable)
    #expect(throws: DMAError.notMapped(far.address)) { try mapper.unmap(far.mapping, .deviceReadable) }
    let wide = try DMAMaskMapper(mask: .max, memory: memory, pool: pool, counter: UncountedWork())
    #expect(wide.mask == .max)
  }

  @Test("a pool that the device cannot reach is refused")
  func farPool() throws {
    let end = pool.buffer.address.rawValue + UInt64(pool.buffer.byteCount) - 1
    _ = try mapper(mask: end)
    #expect(
      throws: ConfigurationError.poolBeyondMask(
        pool.buffer.address, byteCount: pool.buffer.byteCount, limit: end - 1)
    ) { _ = try mapper(mask: end - 1) }
  }
}
