import BenchPlan
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// The driver of a queue whose pool may be too small: a buffer that cannot be mapped stays with it, and is tried again
/// once something came back.
struct ExhaustDriver {
  private let plan: LoadPlan
  private let total: UInt64
  private(set) var tally = ExhaustTally()
  private var added: UInt64 = 0
  private var returned: UInt64 = 0
  // Of the next buffer.
  private var attempts = 0
  // A map failed, and nothing came back since: another attempt would fail as well.
  private var isBlocked = false

  /// Sends `total` buffers round, numbered from 0 on.
  init(_ plan: LoadPlan, total: Int) {
    self.plan = plan
    self.total = UInt64(total)
  }

  var isDone: Bool { returned == total }
  private var outstanding: Int { Int(added - returned) }

  /// Takes back what is there, and tops the ring up as far as depth and pool allow.
  ///
  /// - Returns: whether anything came back or went out.
  mutating func turn<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Bool {
    let back = try receive(&queue)
    let out = try send(&queue)
    return back + out > 0
  }

  private mutating func receive<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let count: Int
    do throws(QueueError) { count = try queue.reclaim(atMost: plan.depth) } catch { throw .queue(error) }
    let completions = queue.completions
    for i in completions.indices { try check(completions[i]) }
    if count > 0 { isBlocked = false }
    return count
  }

  private mutating func check(_ completion: Completion) throws(SliceFailure) {
    guard completion.token == returned else { throw .wrongOrder(expected: returned, got: completion.token) }
    let expected = plan.direction == .deviceWritable ? plan.bytes : 0
    guard completion.writtenByteCount == expected else {
      throw .wrongLength(sequence: returned, expected: expected, got: Int(completion.writtenByteCount))
    }
    if plan.direction == .deviceWritable {
      let host = plan.payload.host(slot(returned))
      guard unsafe crb_check(host.pointer, plan.bytes, returned) else {
        throw .wrongByte(sequence: returned, offset: unsafe crb_first_wrong_byte(host.pointer, plan.bytes, returned))
      }
    }
    returned += 1
    tally.delivered += 1
  }

  private mutating func send<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    var sent = 0
    while !isBlocked, added < total, outstanding < plan.depth {
      if attempts == 0, plan.direction == .deviceReadable {
        unsafe crb_fill(plan.payload.host(slot(added)).pointer, plan.bytes, added)
      }
      tally.attempts += 1
      if attempts > 0 { tally.retries += 1 }
      attempts += 1
      tally.mostAttempts = max(tally.mostAttempts, attempts)
      do throws(QueueError) {
        let result = try queue.add(plan.payload.segment(slot(added)), plan.direction, token: added)
        precondition(result == .added, "a ring that holds \(plan.depth) buffers is full")
      } catch {
        try refuse(error)
        break
      }
      attempts = 0
      added += 1
      sent += 1
      tally.mostOutstanding = max(tally.mostOutstanding, outstanding)
    }
    queue.publish()
    return sent
  }

  /// Notes a map that failed for want of slots; any other error, or one that no completion can end, is the run's.
  private mutating func refuse(_ error: QueueError) throws(SliceFailure) {
    guard case .mapping(.bouncePoolFull) = error, outstanding > 0 else { throw .queue(error) }
    tally.failures += 1
    if attempts == 1 { tally.delayedBuffers += 1 }
    isBlocked = true
  }

  private func slot(_ number: UInt64) -> Int { Int(number % UInt64(plan.depth)) }
}

/// The device of an exhausted queue: serves in order, writes or checks every byte.
struct ExhaustDevice {
  private let transfer: Transfer
  private var number: UInt64 = 0

  init(_ plan: LoadPlan) { transfer = plan.transfer }

  /// Serves up to a batch; returns how many there were.
  mutating func turn<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let transfer = transfer
    var at = number
    defer { number = at }
    do {
      let served = try queue.serve(atMost: transfer.batch) { chain, segments throws(WrongPayload) in
        try DeviceLoop.transferSegments(transfer, at, segments)
        at += 1
        return UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
      queue.service()
      return served
    } catch {
      switch error {
      case .queue(let error): throw .queue(error)
      case .body(let wrong): throw wrong.failure
      }
    }
  }
}

/// The two ends of a queue, behind closures that know their types; each is for one thread at a time.
package final class ExhaustEnds: @unchecked Sendable {
  let turnDriver: (inout ExhaustDriver) throws(SliceFailure) -> Bool
  let turnDevice: (inout ExhaustDevice) throws(SliceFailure) -> Int
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
