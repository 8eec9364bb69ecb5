package import RingKit

/// The direct path with an account, which fails when its plan says so.
package struct FaultInjectingMapper<Counter: WorkCounter>: DrainedMapper, ~Copyable {
  package struct Mapping: BitwiseCopyable {
    package var number: UInt64
    package var address: IOVA
    package var isWritable: Bool
    package var byteCount: UInt32
  }

  package var work: Counter
  package let plan: FaultPlan

  package static var unmapped: Mapping { Mapping(number: 0, address: IOVA(0), isWritable: false, byteCount: 0) }

  package mutating func map(
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

  package mutating func unmap(_ mapping: Mapping, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32
  {
    // The last few are all a test looks at.
    if plan.told.count > 64 { plan.told.removeAll() }
    plan.told.append(FaultPlan.Told(isWritable: direction == .deviceWritable, written: written))
    plan.unmaps += 1
    if mapping.isWritable != (direction == .deviceWritable) { plan.wrongDirections += 1 }
    guard plan.outstanding.remove(mapping.number) != nil else {
      plan.doubleUnmaps += 1
      throw .notMapped(mapping.address)
    }
    work.add(.unmaps, 1)
    if plan.unmaps == plan.failingUnmap { throw .invalidationTimedOut(nanoseconds: UInt64(plan.unmaps)) }
    return min(written, mapping.byteCount)
  }

  package mutating func poll() throws(DMAError) {}

  package mutating func flush() throws(DMAError) {}
}

/// When a ``FaultInjectingMapper`` fails, and its account of what is mapped.
///
/// Owned by the mapper's thread while that runs.
package final class FaultPlan: @unchecked Sendable {
  /// The map call that fails, counted from 1 on; 0 for none.
  package var failingMap = 0
  /// The unmap call that fails, counted from 1 on; 0 for none.
  package var failingUnmap = 0
  package var maps = 0
  package var unmaps = 0
  /// Numbers of the mappings not undone.
  package var outstanding: Set<UInt64> = []
  package var next: UInt64 = 1
  package var doubleUnmaps = 0
  package var wrongDirections = 0
  /// What the queue told of each unmap, in order: device-writable or not, and the bytes said to be written.
  package var told: [Told] = []

  package struct Told: Equatable {
    package var isWritable: Bool
    package var written: UInt32

    package init(isWritable: Bool, written: UInt32) {
      self.isWritable = isWritable
      self.written = written
    }
  }
}
