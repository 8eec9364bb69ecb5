import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The two ends of a queue, behind closures that know their types; each is for one thread at a time.
package final class ExhaustEnds: @unchecked Sendable {
  package let turnDriver: (inout ExhaustDriver) throws(SliceFailure) -> Bool
  package let turnDevice: (inout ExhaustDevice) throws(SliceFailure) -> Int
  /// Adds one buffer, for a refusal that is expected.
  package let add: (MemorySegment, DMADirection) throws(QueueError) -> AddResult
  /// What the driver's end did; read while it does not run.
  package let work: () -> WorkCounts

  /// A queue over a pool; nothing of it is timed, so it shares the code of other paths.
  package convenience init(
    _ layout: RingLayout, in ring: GuestBuffer, size: Int, memory: GuestMemory, pool: SwiotlbPool, cpu: Int = 0
  ) throws {
    let mapper = CalledMapper(SwiotlbMapper(memory: memory, pool: pool, cpu: cpu, counter: CountedWork()))
    let translator = RegionTranslator(memory: memory, counter: CountedWork())
    var features: VirtioFeatures = [.version1, .accessPlatform]
    if layout == .packed { features.insert(.packedRing) }
    let configuration = QueueConfiguration(size: size, features: features)
    switch try RingMemory(layout, in: ring, size: size) {
    case .split(let ring):
      self.init(
        try SplitDriverQueue(configuration, ring: ring, mapper: mapper),
        try SplitDeviceQueue(configuration, ring: ring, translator: translator))
    case .packed(let ring):
      self.init(
        try PackedDriverQueue(configuration, ring: ring, mapper: mapper),
        try PackedDeviceQueue(configuration, ring: ring, translator: translator))
    }
  }

  private init<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
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
