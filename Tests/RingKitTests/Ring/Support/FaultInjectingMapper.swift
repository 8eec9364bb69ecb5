import RingKit

/// The direct path with an account, which fails when its plan says so.
struct FaultInjectingMapper<Counter: WorkCounter>: DMAMapper, ~Copyable {
  struct Mapping: BitwiseCopyable {
    var number: UInt64
    var address: IOVA
    var isWritable: Bool
  }

  var work: Counter
  let plan: FaultPlan

  static var unmapped: Mapping { Mapping(number: 0, address: IOVA(0), isWritable: false) }

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
    return (address, Mapping(number: number, address: address, isWritable: direction == .deviceWritable))
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
}
