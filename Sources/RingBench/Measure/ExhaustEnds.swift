import RingKit

/// The two ends of a queue, behind closures that know their types; each is for one thread at a time.
final class ExhaustEnds: @unchecked Sendable {
  let turnDriver: (inout ExhaustDriver) throws(SliceFailure) -> Bool
  let turnDevice: (inout ExhaustDevice) throws(SliceFailure) -> Int
  /// Adds one buffer, for a refusal that is expected.
  let add: (MemorySegment, DMADirection) throws(QueueError) -> AddResult
  /// What the driver's end did; read while it does not run.
  let work: () -> WorkCounts

  init<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: consuming Driver, _ device: consuming Device
  ) {
    driver.disableNotifications()
    device.disableNotifications()
    let driverEnd = Box(driver)
    let deviceEnd = Box(device)
    turnDriver = { sender throws(SliceFailure) in try sender.turn(&driverEnd.value) }
    turnDevice = { receiver throws(SliceFailure) in try receiver.turn(&deviceEnd.value) }
    add = { segment, direction throws(QueueError) in try driverEnd.value.add(segment, direction, token: 0) }
    work = { driverEnd.value.work.counts }
  }
}
