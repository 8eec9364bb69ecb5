import CRing
import RingKit

/// Both ends of a queue on one thread, a batch at a time: what an instruction counter can look at.
///
/// The three parts are functions of their own that nothing is inlined across, so that a profiler sees each by name.
struct SingleThreadLoop {
  let plan: LoadPlan
  private var place = 0
  private var number: UInt64 = 0

  init(_ plan: LoadPlan) { self.plan = plan }

  /// Batches through the ring, one after the other; returns the least nanoseconds each of the three parts took.
  @inline(never)
  mutating func runRounds<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ rounds: Int, _ driver: inout Driver, _ device: inout Device
  ) throws(QueueError) -> (add: Double, serve: Double, reclaim: Double) {
    var best = (add: Double.infinity, serve: Double.infinity, reclaim: Double.infinity)
    for _ in 0..<rounds {
      let times = try round(&driver, &device)
      best.add = min(best.add, Double(times.add))
      best.serve = min(best.serve, Double(times.serve))
      best.reclaim = min(best.reclaim, Double(times.reclaim))
    }
    return best
  }

  private mutating func round<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device
  ) throws(QueueError) -> (add: UInt64, serve: UInt64, reclaim: UInt64) {
    let start = cring_nanoseconds()
    try plan.segments == 1 ? addAndPublish(&driver) : addChains(&driver)
    let added = cring_nanoseconds()
    try consumeAndComplete(&device)
    let served = cring_nanoseconds()
    try reclaim(&driver)
    return (added &- start, served &- added, cring_nanoseconds() &- served)
  }

  @inline(never)
  private mutating func addAndPublish<Driver: DriverQueue & ~Copyable>(
    _ driver: inout Driver
  ) throws(QueueError) {
    let (depth, first) = (plan.depth, number)
    var next = plan.payload.cursor(at: place, of: depth)
    _ = try driver.add(atMost: plan.batch, plan.direction) { i in
      (next.take(), first &+ UInt64(truncatingIfNeeded: i))
    }
    place &+= plan.batch
    if place >= depth { place &-= depth }
    number &+= UInt64(plan.batch)
    driver.publish()
  }

  @inline(never)
  private mutating func addChains<Driver: DriverQueue & ~Copyable>(_ driver: inout Driver) throws(QueueError) {
    for _ in 0..<plan.batch {
      let result = try DriverLoop.addParts(&driver, plan, plan.payload.segment(place), token: number)
      precondition(result == .added, "a ring that holds \(plan.batch) buffers is full")
      place = place &+ 1 == plan.depth ? 0 : place &+ 1
      number &+= 1
    }
    driver.publish()
  }

  @inline(never)
  private func consumeAndComplete<Device: DeviceQueue & ~Copyable>(_ device: inout Device) throws(QueueError) {
    do {
      _ = try device.serve(atMost: plan.batch) { chain, _ throws(Never) in
        UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
    } catch {
      switch error {
      case .queue(let error): throw error
      }
    }
    device.service()
  }

  @inline(never)
  private func reclaim<Driver: DriverQueue & ~Copyable>(_ driver: inout Driver) throws(QueueError) {
    var left = plan.batch
    while left > 0 { left &-= try driver.reclaim(atMost: left) }
  }
}
