import CRing
import RingKit

/// Which threads serve the ends of several queues.
package enum QueueThreads: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// One thread for all driver ends and one for all device ends, each taking the queues in turn.
  case pair
  /// A thread and a CPU for each end.
  case own

  package static let noun = "choice of threads"
}

extension BenchCase {
  /// Several queues that take their turn as one: each queue is a case of its own, and all share what their paths
  /// share.
  ///
  /// A slice ends when the buffers of all queues are back, and no device leaves it before: a driver that unmaps waits
  /// for every device that is attached to its IOMMU.
  package convenience init(
    queues: [BenchCase], threads: QueueThreads, label: String, lockWaits: @escaping () -> [String: UInt64]
  ) {
    precondition(queues.count > 1, "a single queue is a case by itself")
    let count = queues.count
    let driver: DriverEnd
    let device: DeviceEnd
    switch threads {
    case .pair:
      let (drivers, devices) = (queues.compactMap(\.driverTurns), queues.compactMap(\.turnDevice))
      precondition(drivers.count == count && devices.count == count, "a queue has turns to take")
      driver = DriverEnd(run: { total, barrier throws(SliceFailure) in try Self.drive(drivers, total / count, barrier) }
      )
      device = DeviceEnd(run: { barrier throws(SliceFailure) in try Self.serve(devices, barrier) })
    case .own:
      driver = DriverEnd(run: { total, barrier throws(SliceFailure) in
        let start = cring_nanoseconds()
        _ = try queues[0].runDriver(total / count, barrier)
        try barrier.waitForDrivers(count - 1)
        return cring_nanoseconds() &- start
      })
      device = DeviceEnd(run: { barrier throws(SliceFailure) in try queues[0].runDevice(barrier) })
    }
    self.init(label, driver, device, queues: queues, figures: queues[0].figures, lockWaits: lockWaits)
    countedBuffers = queues.reduce(0) { $0 + $1.countedBuffers }
    trialBuffers = max(1, (queues.map(\.trialBuffers).min() ?? 0) / count) * count
    firstStep = queues.reduce(0) { $0.addingReportingOverflow($1.firstStep).overflow ? .max : $0 + $1.firstStep }
    warmingBuffers = queues.map(\.warmingBuffers).reduce(0, +)
    // All queues go by it.
    tuner = queues[0].tuner
  }

  /// All driver ends on this thread, in turn.
  private static func drive(
    _ turns: [DriverTurns], _ count: Int, _ barrier: SliceBarrier
  ) throws(SliceFailure) -> UInt64 {
    let start = cring_nanoseconds()
    for queue in turns { queue.begin(count) }
    let total = count * turns.count
    var (done, idle) = (0, 0)
    while done < total {
      var back = 0
      for queue in turns { back += try queue.turn() }
      done += back
      idle = back == 0 ? idle &+ 1 : 0
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      guard idle & 0xfff == 0xfff else { continue }
      if barrier.hasFailed { throw .other }
      for queue in turns { try queue.poll() }
      if idle > 1 << 30 { throw .stalled(done: done, of: total) }
    }
    return cring_nanoseconds() &- start
  }

  /// All device ends on this thread, in turn, until the driver ends the slice.
  private static func serve(
    _ turns: [() throws(SliceFailure) -> Int], _ barrier: SliceBarrier
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
      if idle & 0xf == 0xf && barrier.isSliceOver { return }
      if idle & 0x3f == 0x3f { cring_spin_hint() }
      if idle & 0xfff == 0xfff && barrier.hasFailed { throw .other }
    }
  }
}
