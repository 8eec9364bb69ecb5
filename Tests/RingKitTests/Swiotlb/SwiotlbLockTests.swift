import Testing

@testable import RingKit

@Suite struct SwiotlbLockTests {
  /// The lock counts its waits in a word whose place C is told as a number.
  @Test func anAreaIsTwoLinesAndTheCountIsWhereTheLockLooksForIt() {
    #expect(MemoryLayout<SwiotlbArea>.size == 128)
    #expect(MemoryLayout<SwiotlbArea>.offset(of: \.lock) == 0)
    #expect(MemoryLayout<SwiotlbArea>.offset(of: \.lockWaits) == 16)
  }

  @Test func aLoneThreadNeverWaits() throws {
    let fixture = try SwiotlbFixture(segments: 2, areaCount: 2)
    var mapper = fixture.mapper(cpu: 1)
    for _ in 0..<100 {
      let mapped = try mapper.map(fixture.driver.segment(at: 0, length: 100), .deviceReadable)
      try mapper.unmap(mapped.mapping, .deviceReadable)
    }
    #expect(fixture.pool.lockWaits == 0)
  }
}
