import BenchPlan
import CRing
import RingKit
import VhostUser

/// Buffers for an entropy device to fill, so many outstanding.
///
/// A buffer that comes back short is an error, and so is one of 16 bytes or more whose every byte is still zero.
struct EntropyLoad<Queue: DriverQueue & ~Copyable>: DriveLoad, ~Copyable {
  private static var fewestTelling: Int { 16 }

  private var queue: Queue
  var course: DriveCourse
  private let plan: EntropyPlan
  /// By slot, in cycles.
  private var started: [UInt64]
  private var free: [Int]
  private var sent = 0

  init(_ queue: consuming Queue, _ port: DrivePort, _ plan: EntropyPlan) {
    self.queue = queue
    course = DriveCourse(port, requests: plan.requests)
    self.plan = plan
    started = Array(repeating: 0, count: plan.depth)
    free = (0..<plan.depth).reversed()
  }

  var work: WorkCounts { queue.work.counts }

  mutating func prepare() { queue.disableNotifications() }

  mutating func drive(_ progress: Progress) throws(DriveFailure) {
    while course.goesOn() {
      let before = course.tally.requests
      do throws(QueueError) { try send() } catch { throw course.port.reason(error) }
      try take()
      if course.tally.requests & 0x3ff == 0 { course.show(progress, "requests") }
      guard try course.isIdle(hasProgress: course.tally.requests != before) else { continue }
      try course.sleep(&queue)
    }
  }

  private mutating func send() throws(QueueError) {
    let before = sent
    while sent < plan.requests, let slot = free.last {
      unsafe plan.payload.host(slot).pointer.initializeMemory(as: UInt8.self, repeating: 0, count: plan.bytes)
      started[slot] = cring_cycles()
      let result = try queue.add(plan.payload.segment(slot), .deviceWritable, token: UInt64(slot))
      guard result == .added else { break }
      free.removeLast()
      sent += 1
    }
    guard sent != before else { return }
    queue.publish()
    if queue.isNotificationDue() { course.port.kicks[0].ring() }
  }

  private mutating func take() throws(DriveFailure) {
    while true {
      let completion: Completion?
      do throws(QueueError) { completion = try queue.nextUsed() } catch { throw course.port.reason(error) }
      guard let completion else { return }
      let slot = Int(completion.token)
      course.histogram.record(cycles: cring_cycles() &- started[slot])
      // A device may fill less than the whole of a buffer (virtio 1.2, 5.4.6.2), and at least a byte.
      let count = Int(completion.writtenByteCount)
      guard (1...plan.bytes).contains(count) else { throw .shortAnswer(expected: plan.bytes, got: count) }
      let bytes = unsafe UnsafeRawBufferPointer(start: plan.payload.host(slot).pointer, count: count)
      guard count < Self.fewestTelling || (unsafe bytes.contains { $0 != 0 }) else { throw .noRandomBytes }
      course.tally.requests += 1
      course.tally.bytesIn += count
      free.append(slot)
    }
  }

  mutating func finish() throws(DriveFailure) {
    _ = try course.port.stop(0)
    do throws(QueueError) {
      try queue.reset { _ in }
      try queue.flush()
    } catch { throw course.port.reason(error) }
  }
}

/// What an entropy device's load is.
struct EntropyPlan: Sendable {
  let requests: Int
  let bytes: Int
  let depth: Int
  let payload: PayloadPool
}
