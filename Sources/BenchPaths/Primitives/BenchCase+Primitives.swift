import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import Synchronization

extension BenchCase {
  /// A path without a ring: the driver's thread maps and unmaps a batch at a time, the device's serves the IOMMU.
  static func mapping<Mapper: DMAMapper & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ mapper: consuming Mapper, _ device: DeviceEnd
  ) -> BenchCase {
    let driver = Box(mapper)
    let loop = Box(MappingLoop(plan, together: plan.batch, unmapped: Mapper.unmapped))
    let benchCase = BenchCase(
      label,
      DriverEnd(
        run: { count, _ throws(SliceFailure) in try loop.value.run(&driver.value, count: count) },
        work: { driver.value.work.counts }), device)
    // As many at a time as a ring would have outstanding: what does not fit is told as the path tells it.
    benchCase.runOnOneThread = { rounds throws(SliceFailure) in
      var whole = MappingLoop(plan, together: plan.depth, unmapped: Mapper.unmapped)
      let time = try whole.run(&driver.value, count: rounds * plan.depth)
      return SingleThreadTimes(add: Double(time), serve: 0, reclaim: 0)
    }
    return benchCase
  }

  /// Two mappers on a thread each, both mapping and unmapping for the whole slice: what they share shows.
  private static func rivals<Mapper: DMAMapper & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ mapper: consuming Mapper, _ rivalPlan: LoadPlan, _ rival: consuming Mapper
  ) -> BenchCase {
    let (driver, device) = (Box(mapper), Box(rival))
    let loop = Box(MappingLoop(plan, together: plan.batch, unmapped: Mapper.unmapped))
    let rivalLoop = Box(MappingLoop(rivalPlan, together: rivalPlan.batch, unmapped: Mapper.unmapped))
    return BenchCase(
      label,
      DriverEnd(
        run: { count, _ throws(SliceFailure) in try loop.value.run(&driver.value, count: count) },
        work: { driver.value.work.counts }),
      DeviceEnd(run: { barrier throws(SliceFailure) in
        while !barrier.isSliceOver { _ = try rivalLoop.value.run(&device.value, count: rivalPlan.batch) }
      }))
  }

  /// Maps of `iommu-lazy`, alone or with a rival on the device's CPU that has the same domain.
  package static func lazyMaps(_ plan: LoadPlan, in guest: BenchGuest, hasRival: Bool) -> BenchCase {
    var configuration = IOMMUConfiguration()
    configuration.cpuCount = 2
    let domain = IOMMUDomain(memory: guest.memory, configuration: configuration)
    let label = "lazy maps of \(plan.bytes) bytes"
    let mapper = IOMMUMapper(domain: domain, policy: .lazy, cpu: 0, counter: UncountedWork())
    guard hasRival else { return .mapping(label, plan, mapper, DeviceEnd()) }
    return .rivals(
      label, plan, mapper, plan, IOMMUMapper(domain: domain, policy: .lazy, cpu: 1, counter: UncountedWork()))
  }

  /// Bounces of `swiotlb`, alone or with a rival on the device's CPU that has the same pool.
  package static func bounces(
    _ label: String, _ plan: LoadPlan, rival: LoadPlan?, memory: GuestMemory, pool: SwiotlbPool
  ) -> BenchCase {
    let mapper = SwiotlbMapper(memory: memory, pool: pool, cpu: 0, counter: UncountedWork())
    guard let rival else { return .mapping(label, plan, mapper, DeviceEnd()) }
    return .rivals(
      label, plan, mapper, rival, SwiotlbMapper(memory: memory, pool: pool, cpu: 1, counter: UncountedWork()))
  }

  /// Copies alone: each buffer to the next slot of a target that is walked round, as a bounce pool's cursor does.
  ///
  /// The target holds at least one buffer.
  static func copying(_ label: String, _ plan: LoadPlan, to target: GuestBuffer) -> BenchCase {
    let stride = (plan.bytes + SwiotlbPool.slotByteCount - 1) / SwiotlbPool.slotByteCount * SwiotlbPool.slotByteCount
    let slots = max(1, target.byteCount / stride)
    let base = target.host
    let cursor = Box((from: 0, to: 0))
    return BenchCase(
      label,
      DriverEnd(run: { count, _ throws(SliceFailure) in
        var (from, to) = cursor.value
        let start = cring_nanoseconds()
        for _ in 0..<count {
          // SAFETY: `to` is one of `slots` strides inside the target, `from` one of the plan's buffers.
          unsafe base.advanced(by: to &* stride).pointer.copyMemory(
            from: plan.payload.host(from).pointer, byteCount: plan.bytes)
          from = from &+ 1 == plan.depth ? 0 : from &+ 1
          to = to &+ 1 == slots ? 0 : to &+ 1
        }
        let time = cring_nanoseconds() &- start
        cursor.value = (from, to)
        // Keeps the target mapped.
        withExtendedLifetime(target) {}
        return time
      }), DeviceEnd())
  }

  /// Translations alone, on the device's thread, whose time the driver's brings back: page after page of a working set.
  ///
  /// `owner` outlives the device's end: what is translated is unmapped with it.
  static func translating(_ label: String, _ order: TranslationOrder, owner: AnyObject, _ device: DeviceEnd)
    -> BenchCase
  {
    BenchCase(
      label,
      DriverEnd(run: { count, barrier throws(SliceFailure) in
        try withExtendedLifetime(owner) { () throws(SliceFailure) in
          guard let time = order.wait(for: count, barrier) else { throw .other }
          return time
        }
      }), device)
  }
}

/// How many translations the driver's thread wants of the device's, and the time they took.
final class TranslationOrder: Sendable {
  private let wanted = Atomic<Int>(0)
  private let time = Atomic<UInt64>(0)

  /// Driver: asks for `count` and waits; `nil` when the device failed.
  func wait(for count: Int, _ barrier: SliceBarrier) -> UInt64? {
    // Pairs with the acquiring load in `take`.
    wanted.store(count, ordering: .releasing)
    while wanted.load(ordering: .acquiring) != 0 {
      if barrier.hasFailed { return nil }
    }
    return time.load(ordering: .relaxed)
  }

  /// Device: what is wanted now.
  func take() -> Int? {
    let count = wanted.load(ordering: .acquiring)
    return count == 0 ? nil : count
  }

  /// Device: done, in that many nanoseconds.
  func finish(_ nanoseconds: UInt64) {
    time.store(nanoseconds, ordering: .relaxed)
    // Pairs with the acquiring load in `wait`.
    wanted.store(0, ordering: .releasing)
  }
}
