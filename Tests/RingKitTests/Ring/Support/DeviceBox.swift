import RingKit

/// A queue as a ``DeviceEnd``.
final class DeviceBox<Queue: DeviceQueue & ~Copyable>: DeviceEnd, @unchecked Sendable {
  private var queue: Queue

  init(_ queue: consuming Queue) { self.queue = queue }

  override var size: Int { queue.size }
  override var inFlightCount: Int { queue.inFlightCount }
  override var isBroken: Bool { queue.isBroken }
  override var counts: WorkCounts { queue.work.counts }
  override var segments: [TranslatedSegment] {
    let span = queue.segments
    return span.indices.map { span[$0] }
  }

  override func next() throws(QueueError) -> DeviceChain? { try queue.next() }
  override func complete(_ chain: DeviceChain, written: UInt32) { queue.complete(chain, written: written) }
  override func publish() { queue.publish() }
  override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  override func enableNotifications() -> Bool { queue.enableNotifications() }
  override func disableNotifications() { queue.disableNotifications() }
  override func service() { queue.service() }
  override func reset() { queue.reset() }
}
