import RingKitTesting
import Testing

@testable import RingKit

/// The slot search and the merging, held against a model over random operations.
@Suite struct SwiotlbAgainstModelTests {
  private struct Live {
    var mapping: SwiotlbMapping
    var direction: DMADirection
    var offset: Int
    var fill: UInt8
    var slot: Int
  }

  private static func size(_ generator: inout SeededGenerator) -> Int {
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<4: Int.random(in: 1...2048, using: &generator)
    case 4..<7: Int.random(in: 2049...8192, using: &generator)
    case 7..<9: Int.random(in: 4095...65_536, using: &generator)
    default: Int.random(in: 65_536...262_144, using: &generator)
    }
  }

  @Test(arguments: [(4, 1), (3, 1), (4, 2), (8, 4), (12, 4), (8, 8)])
  func agrees(segments: Int, areaCount: Int) throws {
    var generator = SeededGenerator(for: "swiotlb of \(segments) segments in \(areaCount) areas against its model")
    let fixture = try SwiotlbFixture(segments: segments, areaCount: areaCount, tracksHighWater: true)
    try #require(fixture.pool.areaCount == areaCount)
    var model = SwiotlbModel(slotCount: fixture.pool.slotCount, areaCount: areaCount)
    var mapper = fixture.mapper()
    var live: [Live] = []
    var expected = WorkCounts()
    // Phases that fill the pool and phases that drain it, so that both full and fragmented pools are seen.
    for round in 0..<3000 {
      let isFilling = round / 200 % 2 == 0
      if live.isEmpty || Int.random(in: 0..<10, using: &generator) < (isFilling ? 7 : 3) {
        let byteCount = Self.size(&generator)
        let offset = Int.random(in: 0...(fixture.driver.byteCount - byteCount), using: &generator)
        let direction = DMADirection.allCases[Int.random(in: 0...1, using: &generator)]
        let cpu = Int.random(in: 0..<16, using: &generator)
        mapper.cpu = UInt32(cpu)
        let usedBefore = model.usedCount
        let prediction = model.allocate(byteCount, cpu: cpu)
        expected[.slotsSearched] += UInt64(prediction.searched)
        expected[.areasSkipped] += UInt64(prediction.skipped)
        let segment = fixture.driver.segment(at: offset, length: byteCount)
        do {
          let mapped = try mapper.map(segment, direction)
          let slot = fixture.slot(of: mapped.address)
          #expect(slot == prediction.slot, "\(byteCount) bytes in round \(round)")
          #expect(mapped.address.rawValue % (byteCount >= 4096 ? 4096 : 2048) == 0)
          #expect(slot / 128 == (slot + (byteCount - 1) / 2048) / 128, "no mapping crosses a segment")
          let fill = UInt8.random(in: .min ... .max, using: &generator)
          unsafe fixture.deviceBytes(mapped.address, byteCount).initializeMemory(as: UInt8.self, repeating: fill)
          live.append(
            Live(mapping: mapped.mapping, direction: direction, offset: offset, fill: fill, slot: slot))
          expected[.maps] += 1
          expected[.bytesCopiedIn] += UInt64(byteCount)
        } catch {
          #expect(prediction.slot == nil, "\(byteCount) bytes in round \(round)")
          #expect(
            error == .bouncePoolFull(byteCount: byteCount, total: fixture.pool.slotCount, used: usedBefore))
        }
      } else {
        let done = live.remove(at: Int.random(in: 0..<live.count, using: &generator))
        let byteCount = Int(done.mapping.byteCount)
        let bounced = unsafe fixture.deviceBytes(done.mapping.address, byteCount)
        #expect(unsafe isFilled(bounced, with: done.fill), "no other mapping wrote into these slots")
        try mapper.unmap(done.mapping, done.direction)
        model.release(done.slot, byteCount)
        expected[.unmaps] += 1
        if done.direction == .deviceWritable {
          expected[.bytesCopiedOut] += UInt64(byteCount)
          let original = unsafe fixture.bytes(done.offset..<done.offset + byteCount)
          #expect(unsafe isFilled(original, with: done.fill))
        }
      }
      if round % 20 == 0 { expectAgreement(fixture.pool, model) }
    }
    for rest in live {
      try mapper.unmap(rest.mapping, rest.direction)
      model.release(rest.slot, Int(rest.mapping.byteCount))
      expected[.unmaps] += 1
      if rest.direction == .deviceWritable { expected[.bytesCopiedOut] += UInt64(rest.mapping.byteCount) }
    }
    expectAgreement(fixture.pool, model)
    #expect(fixture.pool.usedSlots == 0)
    #expect(fixture.pool.highWaterSlots == model.peak)
    #expect(mapper.work.counts == expected)
    for slot in 0..<fixture.pool.slotCount where fixture.pool.freeRun(at: slot) != 128 - slot % 128 {
      Issue.record("slot \(slot) did not come back whole")
    }
  }

  private func expectAgreement(_ pool: SwiotlbPool, _ model: SwiotlbModel) {
    #expect(pool.usedSlots == model.usedCount)
    #expect((0..<pool.slotCount).map { pool.freeRun(at: $0) } == model.freeRuns)
  }
}

/// What the slot search must find, said as plainly as possible: a flag per slot, no list, no merging.
struct SwiotlbModel {
  private(set) var isUsed: [Bool]
  private var index: [Int]
  private let areaSlotCount: Int
  private(set) var peak = 0

  init(slotCount: Int, areaCount: Int) {
    isUsed = [Bool](repeating: false, count: slotCount)
    index = [Int](repeating: 0, count: areaCount)
    areaSlotCount = slotCount / areaCount
  }

  var usedCount: Int { isUsed.count { $0 } }

  /// Free slots from `slot` on, to the first used one or the end of its segment.
  func freeRun(at slot: Int) -> Int {
    let end = (slot / 128 + 1) * 128
    return (isUsed[slot..<end].firstIndex(of: true) ?? end) - slot
  }

  /// ``freeRun(at:)`` of every slot, in one pass from the end.
  var freeRuns: [Int] {
    var runs = [Int](repeating: 0, count: isUsed.count)
    var run = 0
    for slot in isUsed.indices.reversed() {
      if slot % 128 == 127 { run = 0 }
      run = isUsed[slot] ? 0 : run + 1
      runs[slot] = run
    }
    return runs
  }

  mutating func allocate(_ byteCount: Int, cpu: Int) -> (slot: Int?, searched: Int, skipped: Int) {
    let wanted = (byteCount + 2047) / 2048
    var searched = 0
    for attempt in 0..<index.count {
      let area = (cpu % index.count + attempt) % index.count
      let base = area * areaSlotCount
      guard areaSlotCount - isUsed[base..<base + areaSlotCount].count(where: { $0 }) >= wanted else { continue }
      var covered = 0
      var cursor = index[area]
      while covered < areaSlotCount {
        searched += 1
        let mustSkip = byteCount >= 4096 && cursor % 2 == 1
        if !mustSkip && freeRun(at: base + cursor) >= wanted {
          for slot in base + cursor..<base + cursor + wanted { isUsed[slot] = true }
          index[area] = (cursor + wanted) % areaSlotCount
          peak = max(peak, usedCount)
          return (base + cursor, searched, attempt)
        }
        let step = byteCount >= 4096 && !mustSkip ? 2 : 1
        covered += step
        cursor += step
        if cursor >= areaSlotCount { cursor = 0 }
      }
    }
    return (nil, searched, index.count - 1)
  }

  mutating func release(_ slot: Int, _ byteCount: Int) {
    for used in slot..<slot + (byteCount + 2047) / 2048 { isUsed[used] = false }
  }
}
