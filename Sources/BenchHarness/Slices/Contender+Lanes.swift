import CRing
import RingKit

/// Which threads serve the ends of several queues.
package enum QueueThreads: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// One thread for all driver ends and one for all device ends, each taking the queues in turn.
  case pair
  /// A thread and a CPU for each end.
  case own

  package static let noun = "choice of threads"
}

extension Contender {
  /// Several queues that take their turn as one: each lane is a contender of its own, and all share what their paths
  /// share.
  ///
  /// A slice ends when the buffers of all lanes are back, and no device leaves it before: a driver that unmaps waits
  /// for every device that is attached to its IOMMU.
  package convenience init(
    lanes: [Contender], threads: QueueThreads, label: String, lockWaits: @escaping () -> [String: UInt64]
  ) {
    precondition(lanes.count > 1, "a single queue is a contender by itself")
    let count = lanes.count
    let driver: DriverEnd
    let device: DeviceEnd
    switch threads {
    case .pair:
      let (drivers, devices) = (lanes.compactMap(\.driverTurns), lanes.compactMap(\.turnDevice))
      precondition(drivers.count == count && devices.count == count, "a lane has turns to take")
      driver = DriverEnd(run: { total, gate throws(SliceFailure) in try Self.drive(drivers, total / count, gate) })
      device = DeviceEnd(run: { gate throws(SliceFailure) in try Self.serve(devices, gate) })
    case .own:
      driver = DriverEnd(run: { total, gate throws(SliceFailure) in
        let start = cring_nanoseconds()
        _ = try lanes[0].runDriver(total / count, gate)
        try gate.waitForDrivers(count - 1)
        return cring_nanoseconds() &- start
      })
      device = DeviceEnd(run: { gate throws(SliceFailure) in try lanes[0].runDevice(gate) })
    }
    self.init(label, driver, device, lanes: lanes, figures: lanes[0].figures, lockWaits: lockWaits)
    countedBuffers = lanes.reduce(0) { $0 + $1.countedBuffers }
    trialBuffers = max(1, (lanes.map(\.trialBuffers).min() ?? 0) / count) * count
    firstStep = lanes.reduce(0) { $0.addingReportingOverflow($1.firstStep).overflow ? .max : $0 + $1.firstStep }
    warmingBuffers = lanes.map(\.warmingBuffers).reduce(0, +)
    // All lanes go by it.
    tuner = lanes[0].tuner
  }

  /// All driver ends on this thread, in turn.
  private static func drive(
    _ turns: [DriverTurns], _ count: Int, _ gate: SliceGate
  ) throws(SliceFailure) -> UInt64 {
    let start = cring_nanoseconds()
    for lane in turns { lane.begin(count) }
    let total = count * turns.count
    var (done, idle) = (0, 0)
    while done < total {
      var back = 0
      for lane in turns { back += try lane.turn() }
      done += back
      idle = back == 0 ? idle &+ 1 : 0
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      guard idle & 0xfff == 0xfff else { continue }
      if gate.hasFailed { throw .other }
      for lane in turns { try lane.poll() }
      if idle > 1 << 30 { throw .stalled(done: done, of: total) }
    }
    return cring_nanoseconds() &- start
  }

  /// All device ends on this thread, in turn, until the driver ends the slice.
  private static func serve(
    _ turns: [() throws(SliceFailure) -> Int], _ gate: SliceGate
  ) throws(SliceFailure) {
    var idle = 0
    while true {
      var served = 0
      for turn in turns { served += try turn() }
      if served != 0 {
        idle = 0
        continue
      }
      idle &+= 1
      if idle & 0xf == 0xf && gate.isSliceOver { return }
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      if idle & 0xfff == 0xfff && gate.hasFailed { throw .other }
    }
  }
}
