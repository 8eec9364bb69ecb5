internal import RingKit

final class MovingDriverOf<Queue: DriverQueue & ~Copyable>: MovingDriver, @unchecked Sendable {
  private var queue: Queue

  init(_ plan: MovingPlan, _ memory: MovingMemory, _ load: Load?, _ queue: consuming Queue) {
    self.queue = queue
    super.init(plan, memory, load)
  }

  override func add(_ readable: [MemorySegment], _ writable: [MemorySegment], _ token: UInt64) throws -> Bool {
    if readable.count + writable.count == 1, token % 3 != 0 {
      let segment = (readable + writable)[0]
      let direction: DMADirection = readable.isEmpty ? .deviceWritable : .deviceReadable
      if token % 3 == 1 { return try queue.add(segment, direction, token: token) == .added }
      return try queue.add(atMost: 1, direction) { _ in (segment, token) } == 1
    }
    return try queue.add(readable: readable.span, writable: writable.span, token: token) == .added
  }

  override func publish() { queue.publish() }

  override func reclaim(atMost limit: Int) throws -> [Completion] {
    _ = try queue.reclaim(atMost: limit)
    return Self.copy(queue)
  }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [Completion] {
    let span = queue.completions
    return span.indices.map { span[$0] }
  }

  override func one() throws -> Completion? { try queue.nextUsed() }

  override func notify(_ choice: Int) {
    switch choice {
    case 0: _ = queue.enableNotifications()
    case 1: queue.disableNotifications()
    default: _ = queue.isNotificationDue()
    }
  }

  override func idle() throws { try queue.poll() }
  override var inFlight: Int { queue.inFlightCount }
  override var counts: WorkCounts { queue.work.counts }
  override var isBroken: Bool { queue.isBroken }

  override func save(describing describe: ((UInt64) -> BufferSegments?)?) throws -> QueueState {
    let own = self.describe
    return try queue.saveState(isSecure: false) { token in describe.map { $0(token) } ?? own(token) }
  }
}
