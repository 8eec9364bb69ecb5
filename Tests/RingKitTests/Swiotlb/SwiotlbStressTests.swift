import RingKitTesting
import Testing

@testable import RingKit

/// One pool, two threads.
@Suite struct SwiotlbStressTests {
  @Test(arguments: [1, 2])
  func twoThreadsNeverShareASlot(areaCount: Int) throws {
    let start = SeededGenerator(for: "swiotlb with two threads and \(areaCount) areas")
    let fixture = try SwiotlbFixture(
      segments: 2, areaCount: areaCount, tracksHighWater: true, driverByteCount: 2 << 20)
    concurrently(2) { thread in
      var generator = SeededGenerator(seed: start.seed &+ UInt64(thread))
      var mapper = fixture.mapper(cpu: thread)
      // Each thread's half of the driver's memory, and in it a segment per mapping in flight.
      let home = thread << 20
      var live: [(mapping: SwiotlbMapping, offset: Int, mark: UInt8)] = []
      var free = Array(0..<16)
      do {
        for _ in 0..<4000 {
          if let slot = free.last, live.isEmpty || Bool.random(using: &generator) {
            let byteCount = Int.random(in: 1...40_000, using: &generator)
            let offset = home + slot << 16
            let segment = fixture.driver.segment(at: offset, length: byteCount)
            let mapped: (address: IOVA, mapping: SwiotlbMapping)
            do {
              mapped = try mapper.map(segment, .deviceWritable)
            } catch DMAError.bouncePoolFull {
              continue
            }
            free.removeLast()
            let mark = UInt8.random(in: .min ... .max, using: &generator)
            unsafe fixture.deviceBytes(mapped.address, byteCount).initializeMemory(as: UInt8.self, repeating: mark)
            live.append((mapped.mapping, offset, mark))
          } else if !live.isEmpty {
            let done = live.remove(at: Int.random(in: 0..<live.count, using: &generator))
            try mapper.unmap(done.mapping, .deviceWritable)
            let range = done.offset..<done.offset + Int(done.mapping.byteCount)
            if unsafe !isFilled(fixture.bytes(range), with: done.mark) {
              Issue.record("a mapping of thread \(thread) was written by the other")
            }
            free.append((done.offset - home) >> 16)
          }
        }
        for rest in live { try mapper.unmap(rest.mapping, .deviceWritable) }
      } catch {
        Issue.record("thread \(thread): \(error)")
      }
    }
    #expect(fixture.pool.usedSlots == 0)
    #expect(fixture.pool.highWaterSlots > 0 && fixture.pool.highWaterSlots <= 256)
    #expect((0..<256).allSatisfy { fixture.pool.freeRun(at: $0) == 128 - $0 % 128 })
  }
}

@Suite struct SwiotlbLockTests {
  /// The lock counts its waits in a word whose offset C is told as a number.
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
