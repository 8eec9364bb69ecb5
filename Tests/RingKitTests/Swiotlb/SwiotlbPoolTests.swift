import RingKit
import Testing

/// How a pool is made, divided and sized.
@Suite struct SwiotlbPoolTests {
  private static let segment = SwiotlbPool.maximumMappingByteCount

  @Test(arguments: [(1, 1, 1), (1, 8, 1), (2, 2, 2), (4, 3, 4), (8, 8, 8), (8, 1000, 8), (6, 2, 2), (12, 4, 4)])
  func areasAreAPowerOfTwoOfWholeSegments(segments: Int, wanted: Int, got: Int) throws {
    let pool = try SwiotlbPool(SwiotlbFixture.buffer(segments * Self.segment), areaCount: wanted)
    #expect(pool.areaCount == got)
    #expect(pool.slotCount == segments * 128)
    #expect(pool.usedSlots == 0)
    #expect(pool.highWaterSlots == 0)
  }

  @Test func refusesMemoryThatCannotBeAPool() throws {
    let small = try SwiotlbFixture.buffer(Self.segment - 4096)
    #expect(throws: ConfigurationError.notWholeSegments(byteCount: Self.segment - 4096)) {
      try SwiotlbPool(small)
    }
    let skewed = try SwiotlbFixture.buffer(Self.segment, at: 0x4000_0800)
    #expect(throws: ConfigurationError.misaligned(GuestPhysicalAddress(0x4000_0800), alignment: 4096)) {
      try SwiotlbPool(skewed)
    }
    let hidden = try SwiotlbFixture.buffer(Self.segment, false)
    #expect(throws: ConfigurationError.notShared(GuestPhysicalAddress(SwiotlbFixture.poolBase))) {
      try SwiotlbPool(hidden)
    }
    let three = try SwiotlbFixture.buffer(3 * Self.segment)
    #expect(throws: ConfigurationError.unevenAreas(segments: 3, areas: 2)) {
      try SwiotlbPool(three, areaCount: 2)
    }
    for count in [0, -1, Int.min] {
      #expect(throws: ConfigurationError.invalidAreaCount(count)) { try SwiotlbPool(three, areaCount: count) }
    }
    let largest = try SwiotlbPool(three, areaCount: 1)
    #expect(largest.areaCount == 1)
  }

  @Test func knowsItsAddresses() throws {
    let pool = try SwiotlbPool(SwiotlbFixture.buffer(Self.segment))
    #expect(pool.contains(IOVA(SwiotlbFixture.poolBase)))
    #expect(pool.contains(IOVA(SwiotlbFixture.poolBase + UInt64(Self.segment) - 1)))
    #expect(!pool.contains(IOVA(SwiotlbFixture.poolBase + UInt64(Self.segment))))
    #expect(!pool.contains(IOVA(SwiotlbFixture.poolBase - 1)))
    #expect(!pool.contains(IOVA(0)))
  }

  @Test func highWaterIsExactWhereItIsTracked() throws {
    for tracks in [true, false] {
      let fixture = try SwiotlbFixture(segments: 2, areaCount: 2, tracksHighWater: tracks)
      var first = fixture.mapper(cpu: 0)
      var second = fixture.mapper(cpu: 1)
      let segment = fixture.driver.segment(length: 10 * 2048)
      let one = try first.map(segment, .deviceReadable)
      try first.unmap(one.mapping, .deviceReadable)
      let two = try second.map(segment, .deviceReadable)
      #expect(fixture.pool.usedSlots == 10)
      try second.unmap(two.mapping, .deviceReadable)
      // Without tracking, the peaks of the two areas are added though they lay apart.
      #expect(fixture.pool.highWaterSlots == (tracks ? 10 : 20))
      #expect(fixture.pool.usedSlots == 0)
    }
  }

  @Test func recommendsTheSizesLinuxHas() {
    let mebibyte = 1 << 20
    #expect(SwiotlbPool.recommendedByteCount() == 64 * mebibyte)
    #expect(SwiotlbPool.recommendedByteCount(areaCount: 6) == 64 * mebibyte)
    func confidential(_ bytes: UInt64, _ areas: Int = 1) -> Int {
      SwiotlbPool.recommendedByteCount(confidentialMemoryByteCount: bytes, areaCount: areas)
    }
    #expect(confidential(0) == 64 * mebibyte)
    #expect(confidential(1 << 30) == 64 * mebibyte)
    #expect(confidential(4 << 30) == 245 * mebibyte + 786_432 + 262_144)
    #expect(confidential(4 << 30, 2) == 256 * mebibyte)
    #expect(confidential(32 << 30) == 1024 * mebibyte)
    #expect(confidential(.max, 4) == 1024 * mebibyte)
    // More areas than 64 MiB has segments.
    #expect(SwiotlbPool.recommendedByteCount(areaCount: 300) == 512 * Self.segment)
  }
}
