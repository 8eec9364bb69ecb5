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
  override var lastCompletions: [Completion] { Self.copy(queue) }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [Completion] {
    let span = queue.completions
    var all: [Completion] = []
    for i in span.indices { all.append(span[i]) }
    return all
  }

  override func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(segment, direction, token: token) }

  override func add(
    readable: [MemorySegment], writable: [MemorySegment], token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(readable: readable.span, writable: writable.span, token: token) }

  override func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int { try queue.add(atMost: count, direction, buffer) }

  override func publish() { queue.publish() }
  override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  override func notificationData(queue number: UInt16) -> NotificationData { queue.notificationData(queue: number) }
  override func nextUsed() throws(QueueError) -> Completion? { try queue.nextUsed() }
  override func reclaim(atMost limit: Int) throws(QueueError) -> [Completion] {
    let count = try queue.reclaim(atMost: limit)
    let all = lastCompletions
    precondition(count == all.count, "reclaim returned another count than it collected")
    return all
  }
  override func enableNotifications() -> Bool { queue.enableNotifications() }
  override func disableNotifications() { queue.disableNotifications() }
  override func poll() throws(QueueError) { try queue.poll() }
  override func flush() throws(QueueError) { try queue.flush() }
  override func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) { try queue.reset(abandoned) }
  override func save(_ describe: (UInt64) -> BufferSegments?) throws(QueueStateError) -> QueueState {
    try queue.saveState(isSecure: false, describing: describe)
  }
}
