import RingKit

/// A queue as a ``DeviceEnd``.
final class DeviceBox<Queue: DeviceQueue & ~Copyable>: DeviceEnd, @unchecked Sendable {
  private var queue: Queue

  init(_ queue: consuming Queue) { self.queue = queue }

  override var size: Int { queue.size }
  override var inFlightCount: Int { queue.inFlightCount }
  override var isBroken: Bool { queue.isBroken }
  override var counts: WorkCounts { queue.work.counts }
  override var segments: [TranslatedSegment] { Self.copy(queue) }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [TranslatedSegment] {
    let span = queue.segments
    var all: [TranslatedSegment] = []
    for i in span.indices { all.append(span[i]) }
    return all
  }

  override func next() throws(QueueError) -> DeviceChain? { try queue.next() }
  override func complete(_ chain: DeviceChain, written: UInt32) { queue.complete(chain, written: written) }
  override func serve(
    atMost limit: Int, _ body: (DeviceChain, [TranslatedSegment]) throws -> UInt32
  ) throws(ServeError<any Error>) -> Int {
    try queue.serve(atMost: limit) { chain, span throws(any Error) in
      var all: [TranslatedSegment] = []
      for i in span.indices { all.append(span[i]) }
      return try body(chain, all)
    }
  }
  override func publish() { queue.publish() }
  override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  override func enableNotifications() -> Bool { queue.enableNotifications() }
  override func disableNotifications() { queue.disableNotifications() }
  override func service() { queue.service() }
  override func reset() { queue.reset() }
  override func save(holding chains: [HeldChain]) throws(QueueStateError) -> QueueState {
    try queue.saveState(isSecure: false, holding: chains)
  }
}
