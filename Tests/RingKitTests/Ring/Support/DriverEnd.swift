import RingKit

/// A driver queue of any layout and path behind one type, so that a test is a plain function.
///
/// Owned by one thread at a time.
class DriverEnd: @unchecked Sendable {
  var size: Int { fatalError() }
  var freeDescriptorCount: Int { fatalError() }
  var inFlightCount: Int { fatalError() }
  var isBroken: Bool { fatalError() }
  var counts: WorkCounts { fatalError() }
  var lastCompletions: [Completion] { fatalError() }

  func add(_ segment: MemorySegment, _ direction: DMADirection, token: UInt64) throws(QueueError) -> AddResult {
    fatalError()
  }
  func add(
    readable: [MemorySegment], writable: [MemorySegment], token: UInt64
  ) throws(QueueError) -> AddResult {
    fatalError()
  }
  func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int { fatalError() }
  func publish() { fatalError() }
  func isNotificationDue() -> Bool { fatalError() }
  func notificationData(queue: UInt16) -> NotificationData { fatalError() }
  func nextUsed() throws(QueueError) -> Completion? { fatalError() }
  func reclaim(atMost limit: Int = .max) throws(QueueError) -> [Completion] { fatalError() }
  func enableNotifications() -> Bool { fatalError() }
  func disableNotifications() { fatalError() }
  func poll() throws(QueueError) { fatalError() }
  func flush() throws(QueueError) { fatalError() }
  func reset(_ abandoned: (UInt64) -> Void) throws(QueueError) { fatalError() }
  func save(_ describe: (UInt64) -> BufferSegments?) throws(QueueStateError) -> QueueState { fatalError() }
}

extension DriverEnd {
  /// Resets, and returns the tokens of what was in flight.
  func reset() throws -> [UInt64] {
    var tokens: [UInt64] = []
    try reset { tokens.append($0) }
    return tokens
  }

  /// The error of a call that must fail.
  func failure(_ body: (DriverEnd) throws -> Void) -> QueueError? {
    do {
      try body(self)
      return nil
    } catch { return error as? QueueError }
  }
}

// A failed expectation looks into every value it names, and the runtime traps on looking into a noncopyable one.
extension DriverEnd: CustomReflectable {
  var customMirror: Mirror { Mirror(self, children: [:]) }
}
