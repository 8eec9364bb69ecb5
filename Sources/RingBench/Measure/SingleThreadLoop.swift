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

  /// One batch through the ring; returns nanoseconds of the three parts.
  mutating func round<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device
  ) throws(QueueError) -> (add: UInt64, serve: UInt64, reclaim: UInt64) {
    let start = cring_nanoseconds()
    try addAndPublish(&driver)
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
    for _ in 0..<plan.batch {
      _ = try driver.add(plan.payload.segment(place), plan.direction, token: number)
      number &+= 1
      place = place &+ 1 == plan.depth ? 0 : place &+ 1
    }
    driver.publish()
  }

  @inline(never)
  private func consumeAndComplete<Device: DeviceQueue & ~Copyable>(_ device: inout Device) throws(QueueError) {
    while let chain = try device.next() {
      device.complete(chain, written: UInt32(truncatingIfNeeded: chain.writableByteCount))
    }
    device.publish()
    device.service()
  }

  @inline(never)
  private func reclaim<Driver: DriverQueue & ~Copyable>(_ driver: inout Driver) throws(QueueError) {
    var left = plan.batch
    while left > 0 { left &-= try driver.reclaim(atMost: left) }
  }
}
