import RingKit
import Testing

/// Limits and errors of the mapper.
@Suite struct SwiotlbMapperTests {
  @Test func mapsASegmentsWorthAndNoByteMore() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    var mapper = fixture.mapper()
    let error = #expect(throws: DMAError.self) {
      _ = try mapper.map(fixture.driver.segment(length: 262_145), .deviceReadable)
    }
    #expect(error == .tooLarge(byteCount: 262_145, maximum: 262_144))
    let all = try mapper.map(fixture.driver.segment(length: 262_144), .deviceReadable)
    #expect(all.address == IOVA(SwiotlbFixture.poolBase))
    #expect(fixture.pool.usedSlots == 128)
    let full = #expect(throws: DMAError.self) {
      _ = try mapper.map(fixture.driver.segment(length: 1), .deviceReadable)
    }
    #expect(full == .bouncePoolFull(byteCount: 1, total: 128, used: 128))
    #expect(
      full?.description == "swiotlb buffer is full (size: 1 bytes, total 128 slots, used 128 slots)")
    try mapper.unmap(all.mapping, .deviceReadable)
    #expect(fixture.pool.usedSlots == 0)
  }

  @Test func refusesWhatIsNotMemory() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    var mapper = fixture.mapper()
    let end = SwiotlbFixture.driverBase + UInt64(fixture.driver.byteCount)
    for (address, length): (UInt64, UInt32) in [
      (SwiotlbFixture.driverBase, 0), (end - 1, 2), (end, 1), (.max, 1), (.max, 4096), (0, 64),
      (SwiotlbFixture.poolBase, 64),
    ] {
      let segment = MemorySegment(GuestPhysicalAddress(address), length: length)
      let error = #expect(throws: DMAError.self) { _ = try mapper.map(segment, .deviceWritable) }
      #expect(error == .outOfBounds(segment))
    }
    #expect(fixture.pool.usedSlots == 0)
    let counts = mapper.work.counts
    #expect(counts == WorkCounts())
  }

  @Test func fullThoughSlotsAreLeft() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    var mapper = fixture.mapper()
    var mappings: [SwiotlbMapping] = []
    for _ in 0..<128 { mappings.append(try mapper.map(fixture.driver.segment(length: 2048), .deviceReadable).mapping) }
    for slot in stride(from: 0, to: 128, by: 2) { try mapper.unmap(mappings[slot], .deviceReadable) }
    // Every other slot is free: no two in a row.
    let error = #expect(throws: DMAError.self) {
      _ = try mapper.map(fixture.driver.segment(length: 2049), .deviceReadable)
    }
    #expect(error == .bouncePoolFull(byteCount: 2049, total: 128, used: 64))
    try mapper.unmap(mappings[1], .deviceReadable)
    let joined = try mapper.map(fixture.driver.segment(length: 3 * 2048 - 2049), .deviceReadable)
    #expect(joined.address == mappings[0].address)
  }

  @Test func triesEveryAreaFromTheCPUsOwn() throws {
    let fixture = try SwiotlbFixture(segments: 4, areaCount: 4)
    var mapper = fixture.mapper(cpu: 6)
    var slots: [Int] = []
    for _ in 0..<4 {
      let mapped = try mapper.map(fixture.driver.segment(length: 262_144), .deviceReadable)
      slots.append(fixture.slot(of: mapped.address))
    }
    #expect(slots == [256, 384, 0, 128])
    let counts = mapper.work.counts
    #expect(counts[.areasSkipped] == 0 + 1 + 2 + 3)
    // An area without enough free slots is not searched.
    #expect(counts[.slotsSearched] == 4)
    let error = #expect(throws: DMAError.self) {
      _ = try mapper.map(fixture.driver.segment(length: 1), .deviceReadable)
    }
    #expect(error == .bouncePoolFull(byteCount: 1, total: 512, used: 512))
  }

  @Test func undoesAMappingOnceAndOnlyItsOwn() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    var mapper = fixture.mapper()
    var other = fixture.mapper()
    let segment = fixture.driver.segment(length: 6000)
    let first = try mapper.map(segment, .deviceWritable)
    let foreign = #expect(throws: DMAError.self) { try other.unmap(first.mapping, .deviceWritable) }
    #expect(foreign == .notMapped(first.address))
    try mapper.unmap(first.mapping, .deviceWritable)
    let again = #expect(throws: DMAError.self) { try mapper.unmap(first.mapping, .deviceWritable) }
    #expect(again == .notMapped(first.address))
    let nothing = #expect(throws: DMAError.self) {
      try mapper.unmap(SwiotlbMapper<CountedWork>.unmapped, .deviceWritable)
    }
    #expect(nothing == .notMapped(IOVA(0)))
    #expect(fixture.pool.usedSlots == 0)
    let counts = mapper.work.counts
    #expect(counts[.unmaps] == 1)
  }

  @Test func aStaleMappingIsRefusedThoughItsSlotIsInUseAgain() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    var mapper = fixture.mapper()
    let segment = fixture.driver.segment(length: 262_144)
    let stale = try mapper.map(segment, .deviceReadable)
    try mapper.unmap(stale.mapping, .deviceReadable)
    let current = try mapper.map(segment, .deviceReadable)
    #expect(current.address == stale.address)
    let error = #expect(throws: DMAError.self) { try mapper.unmap(stale.mapping, .deviceWritable) }
    #expect(error == .notMapped(stale.address))
    #expect(fixture.pool.usedSlots == 128)
    try mapper.unmap(current.mapping, .deviceReadable)
  }

  @Test func aMappingOfAnotherPoolIsRefused() throws {
    let here = try SwiotlbFixture(segments: 1)
    let there = try SwiotlbFixture(segments: 1)
    var mapper = here.mapper()
    var other = there.mapper()
    let mapped = try other.map(there.driver.segment(length: 64), .deviceReadable)
    let error = #expect(throws: DMAError.self) { try mapper.unmap(mapped.mapping, .deviceReadable) }
    #expect(error == .notMapped(mapped.address))
  }

  @Test func defaultsToTheCPUItIsMadeOn() throws {
    let fixture = try SwiotlbFixture(segments: 1)
    let mapper = SwiotlbMapper(memory: fixture.memory, pool: fixture.pool, counter: UncountedWork())
    let cpu = mapper.cpu
    #expect(cpu < 65_536)
  }
}
