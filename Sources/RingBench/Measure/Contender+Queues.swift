import RingKit

extension Contender {
  /// A contender of two queue ends.
  ///
  /// Inlined into a caller that knows their types, so that the closures are compiled for exactly these.
  @inline(__always)
  convenience init<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ driver: consuming Driver, _ device: consuming Device,
    figures: @escaping () -> [String: Double] = { [:] }
  ) {
    if plan.doorbells == nil {
      driver.disableNotifications()
      device.disableNotifications()
    }
    let driverEnd = Box(driver)
    let deviceEnd = Box(device)
    let driverLoop = Box(DriverLoop(plan))
    let deviceLoop = Box(DeviceLoop(plan))
    self.init(
      label: label,
      runDriver: { count, gate throws(SliceFailure) in
        try driverLoop.value.run(&driverEnd.value, count: count, gate: gate)
      },
      runDevice: { gate throws(SliceFailure) in try deviceLoop.value.run(&deviceEnd.value, gate: gate) },
      work: { driverEnd.value.work.counts + deviceEnd.value.work.counts }, figures: figures)
    warmingBuffers = plan.depth
    runOnOneThread = { rounds throws(SliceFailure) in
      var loop = SingleThreadLoop(plan)
      do throws(QueueError) { return try loop.runRounds(rounds, &driverEnd.value, &deviceEnd.value) } catch {
        throw .queue(error)
      }
    }
    driverTurns = DriverTurns(
      begin: { driverLoop.value.begin($0) },
      turn: { () throws(SliceFailure) in try driverLoop.value.turn(&driverEnd.value) },
      poll: { () throws(SliceFailure) in
        do throws(QueueError) { try driverEnd.value.poll() } catch { throw .queue(error) }
      })
    turnDevice = { () throws(SliceFailure) in try deviceLoop.value.turn(&deviceEnd.value) }
    if let doorbells = plan.doorbells { wakeDevice = { doorbells.kick.ring() } }
    if plan.depth == 1 {
      timeRoundTrips = { count, gate, record throws(SliceFailure) in
        try driverLoop.value.timeRoundTrips(&driverEnd.value, count: count, gate: gate, record)
      }
    }
  }

  /// A contender whose device end another process has, as its queue of that number.
  ///
  /// `leave` ends what the driver's end would wait for when that process no longer serves.
  @inline(__always)
  convenience init<Driver: DriverQueue & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ driver: consuming Driver, isolated queue: Int,
    deviceWork: @escaping () -> WorkCounts, leave: @escaping () -> Void = {},
    figures: @escaping () -> [String: Double] = { [:] }
  ) {
    driver.disableNotifications()
    let driverEnd = Box(driver)
    let driverLoop = Box(DriverLoop(plan))
    self.init(
      label: label,
      runDriver: { count, gate throws(SliceFailure) in
        do throws(SliceFailure) {
          return try driverLoop.value.run(&driverEnd.value, count: count, gate: gate)
        } catch {
          guard case .queue(.mapping(.deviceUnreachable)) = error else { throw error }
          leave()
          var left = 0
          try? driverEnd.value.reset { _ in left += 1 }
          throw .deviceUnreachable(left: left)
        }
      },
      runDevice: { _ throws(SliceFailure) in throw .other },
      work: { driverEnd.value.work.counts + deviceWork() }, figures: figures)
    warmingBuffers = plan.depth
    isolatedQueue = queue
    leaveDevice = leave
  }
}
