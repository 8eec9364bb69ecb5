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
