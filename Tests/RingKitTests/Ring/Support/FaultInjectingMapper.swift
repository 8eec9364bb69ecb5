import RingKit

/// The direct path with an account, which fails when its plan says so.
struct FaultInjectingMapper<Counter: WorkCounter>: DMAMapper, ~Copyable {
  struct Mapping: BitwiseCopyable {
    var number: UInt64
    var address: IOVA
    var isWritable: Bool
    var byteCount: UInt32
  }

  var work: Counter
  let plan: FaultPlan

  static var unmapped: Mapping { Mapping(number: 0, address: IOVA(0), isWritable: false, byteCount: 0) }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    plan.maps += 1
    if plan.maps == plan.failingMap { throw .iovaExhausted(pages: plan.maps) }
    let number = plan.next
    plan.next += 1
    plan.outstanding.insert(number)
    work.add(.maps, 1)
    let address = IOVA(untranslated: segment.address)
    let mapping = Mapping(
      number: number, address: address, isWritable: direction == .deviceWritable, byteCount: segment.length)
    return (address, mapping)
  }

  mutating func unmap(_ mapping: Mapping, _ direction: DMADirection) throws(DMAError) {
    plan.unmaps += 1
    if mapping.isWritable != (direction == .deviceWritable) { plan.wrongDirections += 1 }
    guard plan.outstanding.remove(mapping.number) != nil else {
      plan.doubleUnmaps += 1
      throw .notMapped(mapping.address)
    }
    work.add(.unmaps, 1)
    if plan.unmaps == plan.failingUnmap { throw .invalidationTimedOut(nanoseconds: UInt64(plan.unmaps)) }
  }

  mutating func unmap(_ mapping: Mapping, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32 {
    // The last few are all a test looks at.
    if plan.told.count > 64 { plan.told.removeAll() }
    plan.told.append(FaultPlan.Told(isWritable: direction == .deviceWritable, written: written))
    try unmap(mapping, direction)
    return min(written, mapping.byteCount)
  }
}
