import RingKit

/// A queue as a ``DriverEnd``.
final class DriverBox<Queue: DriverQueue & ~Copyable>: DriverEnd, @unchecked Sendable {
  private var queue: Queue

  init(_ queue: consuming Queue) { self.queue = queue }

  override var size: Int { queue.size }
  override var freeDescriptorCount: Int { queue.freeDescriptorCount }
  override var inFlightCount: Int { queue.inFlightCount }
  override var isBroken: Bool { queue.isBroken }
  override var counts: WorkCounts { queue.work.counts }
  override var lastCompletions: [Completion] {
    let span = queue.completions
    return span.indices.map { span[$0] }
  }

  override func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(segment, direction, token: token) }

  override func add(
    readable: [MemorySegment], writable: [MemorySegment], token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(readable: readable.span, writable: writable.span, token: token) }

  override func publish() { queue.publish() }
  override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  override func notificationData(queue number: UInt16) -> NotificationData { queue.notificationData(queue: number) }
  override func nextUsed() throws(QueueError) -> Completion? { try queue.nextUsed() }
  override func reclaim(atMost limit: Int) throws(QueueError) -> [Completion] {
    let count = try queue.reclaim(atMost: limit)
    precondition(count == queue.completions.count, "reclaim returned another count than it collected")
    return lastCompletions
  }
  override func enableNotifications() -> Bool { queue.enableNotifications() }
  override func disableNotifications() { queue.disableNotifications() }
  override func poll() throws(QueueError) { try queue.poll() }
  override func flush() throws(QueueError) { try queue.flush() }
  override func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) { try queue.reset(abandoned) }
}
