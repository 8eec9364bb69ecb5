package import RingKit
package import RingKitTesting

/// The driver's side of a queue that moves, of any layout and path; owned by one thread at a time.
package class MovingDriver: @unchecked Sendable {
  /// What the driver's caller knows; moves with the queue.
  package struct Load: Codable, Sendable {
    /// Buffers added so far: the number, and token, of the next.
    package var next: UInt64 = 0
    /// Buffers that came back.
    package var completed: UInt64 = 0
    var slotOf: [UInt64: Int] = [:]
    var free: [Int] = []
  }

  /// What the caller knows.
  package var load = Load()
  let plan: MovingPlan
  let memory: MovingMemory

  init(_ plan: MovingPlan, _ memory: MovingMemory, _ load: Load?) {
    self.plan = plan
    self.memory = memory
    self.load = load ?? Load()
    if load == nil { self.load.free = Array(0..<plan.size) }
  }

  func add(_ readable: [MemorySegment], _ writable: [MemorySegment], _ token: UInt64) throws -> Bool { fatalError() }
  func publish() { fatalError() }
  func reclaim(atMost limit: Int) throws -> [Completion] { fatalError() }
  func one() throws -> Completion? { fatalError() }
  func notify(_ choice: Int) { fatalError() }
  func idle() throws { fatalError() }
  var inFlight: Int { fatalError() }
  /// The queue's state; what the description says of a token can be spoilt.
  package func save(describing describe: ((UInt64) -> DescribedBuffer?)? = nil) throws -> QueueState { fatalError() }
  /// The counts of the path.
  package var counts: WorkCounts { fatalError() }
  /// Whether the queue is broken.
  package var isBroken: Bool { fatalError() }

  func describe(_ token: UInt64) -> DescribedBuffer? {
    guard let slot = load.slotOf[token] else { return nil }
    let shape = plan.shape(of: token)
    return (
      readable: (0..<shape.readable).map { memory.segment(slot, $0) },
      writable: (0..<shape.writable).map { memory.segment(slot, shape.readable + $0) }
    )
  }

  /// Adds one buffer, unless there is no room.
  func addNext() throws -> Bool {
    guard let slot = load.free.last else { return false }
    let shape = plan.shape(of: load.next)
    for i in 0..<shape.readable + shape.writable {
      let bytes = unsafe memory.bytes(slot, i)
      for at in 0..<MovingPlan.segmentBytes {
        let value = i < shape.readable ? movingByte(load.next, i * MovingPlan.segmentBytes + at, reply: false) : 0xee
        unsafe bytes.storeBytes(of: value, toByteOffset: at, as: UInt8.self)
      }
    }
    load.slotOf[load.next] = slot
    guard let parts = describe(load.next), try add(parts.readable, parts.writable, load.next) else {
      load.slotOf[load.next] = nil
      return false
    }
    load.free.removeLast()
    load.next += 1
    return true
  }

  func collect(_ completion: Completion) throws {
    guard let slot = load.slotOf.removeValue(forKey: completion.token) else {
      throw MovingError("buffer \(completion.token) came back twice, or was never added")
    }
    let shape = plan.shape(of: completion.token)
    guard Int(completion.writtenByteCount) == shape.written else {
      throw MovingError("buffer \(completion.token): \(completion.writtenByteCount) written, not \(shape.written)")
    }
    for position in 0..<shape.writable * MovingPlan.segmentBytes {
      let bytes = unsafe memory.bytes(slot, shape.readable + position / MovingPlan.segmentBytes)
      let found = unsafe bytes.load(fromByteOffset: position % MovingPlan.segmentBytes, as: UInt8.self)
      let expected = position < shape.written ? movingByte(completion.token, position, reply: true) : 0xee
      guard found == expected else { throw MovingError("buffer \(completion.token): wrong byte at \(position)") }
    }
    load.free.append(slot)
    load.completed += 1
  }

  /// One thing that a driver does, at random.
  package func step(_ random: inout SeededGenerator) throws {
    switch Int.random(in: 0..<8, using: &random) {
    case 0...2:
      for _ in 0..<Int.random(in: 1...plan.size, using: &random) where try !addNext() { break }
      if Bool.random(using: &random) { publish() }
    case 3: publish()
    case 4: while let completion = try one() { try collect(completion) }
    case 5: if let completion = try one() { try collect(completion) }
    case 6:
      for completion in try reclaim(atMost: Int.random(in: 1...plan.size, using: &random)) { try collect(completion) }
    default:
      notify(Int.random(in: 0..<3, using: &random))
      try idle()
    }
  }

  /// Takes back what there is.
  package func drain() throws {
    publish()
    while case let all = try reclaim(atMost: plan.size), !all.isEmpty {
      for completion in all { try collect(completion) }
    }
    try idle()
  }

  /// Everything that was added is back.
  package var isEmpty: Bool { inFlight == 0 && load.slotOf.isEmpty && load.completed == load.next }
}

/// What went wrong at a stop.
package struct MovingError: Error, CustomStringConvertible {
  /// In words.
  package let description: String

  /// An error in words.
  package init(_ description: String) { self.description = description }
}

final class MovingDriverOf<Queue: ResumableDriverQueue & ~Copyable>: MovingDriver, @unchecked Sendable {
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

  override func save(describing describe: ((UInt64) -> DescribedBuffer?)?) throws -> QueueState {
    let own = self.describe
    return try queue.saveState(isSecure: false) { token in describe.map { $0(token) } ?? own(token) }
  }
}
