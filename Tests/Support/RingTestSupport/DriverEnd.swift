package import RingKit

/// A driver queue of any layout and path behind one type, so that a test is a plain function.
///
/// Owned by one thread at a time.
package class DriverEnd: @unchecked Sendable {
  package var size: Int { fatalError() }
  package var freeDescriptorCount: Int { fatalError() }
  package var inFlightCount: Int { fatalError() }
  package var isBroken: Bool { fatalError() }
  package var counts: WorkCounts { fatalError() }
  package var lastCompletions: [Completion] { fatalError() }

  package func add(_ segment: MemorySegment, _ direction: DMADirection, token: UInt64) throws(QueueError) -> AddResult {
    fatalError()
  }
  package func add(
    readable: [MemorySegment], writable: [MemorySegment], token: UInt64
  ) throws(QueueError) -> AddResult {
    fatalError()
  }
  package func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int { fatalError() }
  package func publish() { fatalError() }
  package func isNotificationDue() -> Bool { fatalError() }
  package func notificationData(queue: UInt16) -> UInt32 { fatalError() }
  package func nextUsed() throws(QueueError) -> Completion? { fatalError() }
  package func reclaim(atMost limit: Int = .max) throws(QueueError) -> [Completion] { fatalError() }
  package func enableNotifications() -> Bool { fatalError() }
  package func disableNotifications() { fatalError() }
  package func poll() throws(QueueError) { fatalError() }
  package func flush() throws(QueueError) { fatalError() }
  package func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) { fatalError() }
  package func save(_ describe: (UInt64) -> DescribedBuffer?) throws(QueueStateError) -> QueueState { fatalError() }
}

extension DriverEnd {
  /// Resets, and returns the tokens of what was in flight.
  package func reset() throws -> [UInt64] {
    var tokens: [UInt64] = []
    try reset { tokens.append($0) }
    return tokens
  }

  /// The error of a call that must fail.
  package func failure(_ body: (DriverEnd) throws -> Void) -> QueueError? {
    do {
      try body(self)
      return nil
    } catch { return error as? QueueError }
  }
}

// A failed expectation looks into every value it names, and the runtime traps on looking into a noncopyable one.
extension DriverEnd: CustomReflectable {
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A queue as a ``DriverEnd``.
package final class DriverBox<Queue: ResumableDriverQueue & ~Copyable>: DriverEnd, @unchecked Sendable {
  private var queue: Queue

  package init(_ queue: consuming Queue) { self.queue = queue }

  package override var size: Int { queue.size }
  package override var freeDescriptorCount: Int { queue.freeDescriptorCount }
  package override var inFlightCount: Int { queue.inFlightCount }
  package override var isBroken: Bool { queue.isBroken }
  package override var counts: WorkCounts { queue.work.counts }
  package override var lastCompletions: [Completion] { Self.copy(queue) }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [Completion] {
    let span = queue.completions
    var all: [Completion] = []
    for i in span.indices { all.append(span[i]) }
    return all
  }

  package override func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(segment, direction, token: token) }

  package override func add(
    readable: [MemorySegment], writable: [MemorySegment], token: UInt64
  ) throws(QueueError) -> AddResult { try queue.add(readable: readable.span, writable: writable.span, token: token) }

  package override func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int { try queue.add(atMost: count, direction, buffer) }

  package override func publish() { queue.publish() }
  package override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  package override func notificationData(queue number: UInt16) -> UInt32 {
    queue.notificationData(queue: number)
  }
  package override func nextUsed() throws(QueueError) -> Completion? { try queue.nextUsed() }
  package override func reclaim(atMost limit: Int) throws(QueueError) -> [Completion] {
    let count = try queue.reclaim(atMost: limit)
    let all = lastCompletions
    precondition(count == all.count, "reclaim returned another count than it collected")
    return all
  }
  package override func enableNotifications() -> Bool { queue.enableNotifications() }
  package override func disableNotifications() { queue.disableNotifications() }
  package override func poll() throws(QueueError) { try queue.poll() }
  package override func flush() throws(QueueError) { try queue.flush() }
  package override func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) { try queue.reset(abandoned) }
  package override func save(_ describe: (UInt64) -> DescribedBuffer?) throws(QueueStateError) -> QueueState {
    try queue.saveState(isSecure: false, describing: describe)
  }
}
