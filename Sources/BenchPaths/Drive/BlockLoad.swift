import BenchPlan
import CRing
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Requests to a block device, so many outstanding: rounds of writing, a flush, and reading back; or reading alone.
struct BlockLoad<Queue: DriverQueue & ~Copyable>: DriveLoad, ~Copyable {
  private var driver: BlockDriver<Queue>
  var course: DriveCourse
  private let plan: BlockPlan
  /// By slot.
  private var started: [UInt64]

  init(_ driver: consuming BlockDriver<Queue>, _ port: DrivePort, _ plan: BlockPlan) {
    self.driver = driver
    course = DriveCourse(port, requests: plan.requests)
    self.plan = plan
    started = Array(repeating: 0, count: plan.depth)
  }

  var work: WorkCounts { driver.queue.work.counts }

  mutating func prepare() throws(DriveFailure) {
    driver.queue.disableNotifications()
    course.tally.name = try identify()
  }

  mutating func drive(_ progress: Progress) throws(DriveFailure) {
    var sequence: UInt64 = 1
    while course.tally.requests < plan.requests {
      if Interrupt.isRequested { break }
      let remaining = plan.requests - course.tally.requests
      let count = min(plan.window, plan.verifies ? (remaining + 1) / 2 : remaining)
      if plan.verifies {
        try pass(.write, count, sequence)
        // Not all was written that would be read.
        if Interrupt.isRequested { break }
        if plan.hasFlush { try flush() }
      }
      try pass(.read, count, sequence)
      sequence &+= UInt64(count)
      course.show(progress, "requests")
    }
    course.tally.interrupted = course.tally.requests < plan.requests
  }

  /// One request for each of the first `count` positions of the disk, or fewer when the run is told to end.
  private mutating func pass(_ operation: BlockOperation, _ count: Int, _ sequence: UInt64) throws(DriveFailure) {
    var (sent, done) = (0, 0)
    while done < count {
      let before = sent
      let isEnding = Interrupt.isRequested
      if isEnding && done == sent { return }
      while sent < count, !isEnding, let slot = driver.nextSlot {
        if operation == .write {
          unsafe crb_fill(plan.payload.host(slot).pointer, plan.bytes, sequence &+ UInt64(sent))
        }
        guard try submit(operation, slot, sector: UInt64(sent) * plan.sectors, UInt64(sent)) else { break }
        sent += 1
      }
      if sent != before { publish() }
      let came = done
      while let completion = try next() {
        try check(completion, operation, sequence)
        done += 1
      }
      try rest(hasProgress: done != came)
    }
  }

  private mutating func submit(
    _ operation: BlockOperation, _ slot: Int, sector: UInt64, _ token: UInt64
  ) throws(DriveFailure) -> Bool {
    started[slot] = cring_cycles()
    do throws(QueueError) {
      return try driver.submit(operation, sector: sector, data: plan.payload.segment(slot), token: token) == .added
    } catch { throw .queue(error) }
  }

  private mutating func check(
    _ completion: BlockCompletion, _ operation: BlockOperation, _ sequence: UInt64
  ) throws(DriveFailure) {
    course.histogram.record(cycles: cring_cycles() &- started[completion.slot])
    let sector = completion.token * plan.sectors
    guard completion.status == .done else { throw .status(operation, completion.status, sector: sector) }
    if operation == .read, completion.dataByteCount != UInt32(plan.bytes) {
      throw .length(operation, expected: plan.bytes, got: Int(completion.dataByteCount))
    }
    course.tally.requests += 1
    course.tally.bytesOut += operation == .write ? plan.bytes : 0
    course.tally.bytesIn += operation == .read ? plan.bytes : 0
    guard operation == .read, plan.verifies else { return }
    let (host, number) = (plan.payload.host(completion.slot), sequence &+ completion.token)
    guard unsafe crb_check(host.pointer, plan.bytes, number) else {
      throw .wrongByte(sequence: number, offset: unsafe crb_first_wrong_byte(host.pointer, plan.bytes, number))
    }
    course.tally.bytesVerified += plan.bytes
  }

  private mutating func flush() throws(DriveFailure) {
    do throws(QueueError) {
      let result = try driver.submit(.flush, sector: 0, data: nil, token: 0)
      precondition(result == .added, "a flush finds the ring empty")
    } catch { throw .queue(error) }
    let completion = try only()
    guard completion.status == .done else { throw .status(.flush, completion.status, sector: 0) }
    course.tally.flushes += 1
  }

  /// The device's name, fit for a terminal; `nil` of one that has none or does not tell it: nothing depends on it.
  private mutating func identify() throws(DriveFailure) -> String? {
    guard let slot = driver.nextSlot else { return nil }
    let segment = plan.payload.buffer.segment(at: slot * plan.payload.stride, length: BlockOperation.nameByteCount)
    do throws(QueueError) {
      let result = try driver.submit(.identify, sector: 0, data: segment, token: 0)
      precondition(result == .added, "the first request finds the ring empty")
    } catch { throw .queue(error) }
    let completion = try only()
    switch completion.status {
    case .done: break
    case .unsupported: return nil
    case .failed, .missing:
      course.tally.notes.append("the device does not tell its name: GET_ID ended with \(completion.status)")
      return nil
    }
    let name = unsafe UnsafeRawBufferPointer(
      start: plan.payload.host(slot).pointer, count: Int(completion.dataByteCount))
    return String(printable: unsafe Array(name.prefix { $0 != 0 }))
  }

  /// The completion of the one request that is outstanding.
  private mutating func only() throws(DriveFailure) -> BlockCompletion {
    publish()
    while true {
      if let completion = try next() {
        try rest(hasProgress: true)
        return completion
      }
      try rest(hasProgress: false)
    }
  }

  private mutating func publish() {
    driver.queue.publish()
    if driver.queue.isNotificationDue() { course.port.kicks[0].ring() }
  }

  private mutating func next() throws(DriveFailure) -> BlockCompletion? {
    do throws(QueueError) { return try driver.next() } catch { throw course.port.reason(error) }
  }

  private mutating func rest(hasProgress: Bool) throws(DriveFailure) {
    try course.port.checkInterruption()
    if course.port.isLost { return try recover() }
    guard try course.isIdle(hasProgress: hasProgress) else { return }
    try course.sleep(&driver.queue)
  }

  /// Goes on with the back-end's successor, once all that the last one completed was collected.
  private mutating func recover() throws(DriveFailure) {
    guard let position = driver.queue.devicePosition else { return }
    let outstanding = driver.queue.inFlightCount
    var start: UInt16? = position
    if !course.port.hasNotes {
      do throws(QueueError) { _ = try driver.resubmit() } catch { throw course.port.reason(error) }
      driver.queue.disableNotifications()
      driver.queue.publish()
      start = nil
    }
    try course.resume([start], outstanding: outstanding)
  }

  /// Takes the ring back; the device must have come exactly as far as the driver.
  mutating func finish() throws(DriveFailure) {
    do throws(QueueError) { try driver.queue.flush() } catch { throw course.port.reason(error) }
    var stopped = try course.port.stop(0)
    while stopped == nil {
      // Nothing is outstanding: a successor stops where it begins.
      guard try next() == nil else { preconditionFailure("a queue gives back what was added") }
      try recover()
      stopped = try course.port.stop(0)
    }
    let expected = UInt16(truncatingIfNeeded: driver.queue.notificationData(queue: 0) >> 16)
    guard stopped == expected else { throw .position(vring: 0, expected: expected, got: stopped ?? 0) }
  }
}

/// What a block device's load is.
struct BlockPlan: Sendable {
  let requests: Int
  let bytes: Int
  let depth: Int
  let verifies: Bool
  let hasFlush: Bool
  /// Requests of one round, each at a position of its own.
  let window: Int
  let payload: PayloadPool

  /// Of one request.
  var sectors: UInt64 { UInt64(bytes / 512) }
}
