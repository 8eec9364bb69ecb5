import BenchPlan
import CRing
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// The driver's side of a closed loop: keeps `depth` buffers outstanding until a number of them came back.
///
/// Generic over the queue and specialised with it: nothing between the ring's calls is dispatched at run time.
struct DriverLoop {
  let plan: LoadPlan
  private let isTouched: Bool
  /// Number of the next buffer to add, and of the next one to come back: they go on from slice to slice.
  private(set) var added: UInt64 = 0
  private(set) var returned: UInt64 = 0
  // Up to which number a loop that takes turns with others goes.
  private var target: UInt64 = 0
  // How many the next call that adds is to add, and the next one that takes back may take.
  private var wanted = 0
  private var look = 0
  // Their slots in the payload pool, which go round; counted along, because a division per buffer would be measured.
  private var addSlot = 0
  private var returnSlot = 0

  init(_ plan: LoadPlan) {
    self.plan = plan
    isTouched = plan.transfer.isTouched
  }

  /// Sends `count` buffers round and returns the nanoseconds it took.
  mutating func run<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, barrier: SliceBarrier
  ) throws(SliceFailure) -> UInt64 {
    let start = cring_nanoseconds()
    try exchange(&queue, count: count, barrier: barrier)
    return cring_nanoseconds() &- start
  }

  /// One buffer after the other: from the moment it is published until it is back, in cycles.
  mutating func timeRoundTrips<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, barrier: SliceBarrier, _ record: (UInt64) -> Void
  ) throws(SliceFailure) {
    for _ in 0..<count {
      let start = cring_cycles()
      try exchange(&queue, count: 1, barrier: barrier)
      record(cring_cycles() &- start)
    }
  }

  @inline(__always)
  private mutating func exchange<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, barrier: SliceBarrier
  ) throws(SliceFailure) {
    begin(count)
    var idle = 0
    while returned != target {
      if try step(&queue) == 0 {
        idle &+= 1
        try wait(&queue, idle, barrier)
      } else {
        idle = 0
      }
    }
  }

  /// So many more buffers are to come back.
  mutating func begin(_ count: Int) {
    target = returned &+ UInt64(count)
    // A driver that polls takes what is there, however few buffers it makes visible at once.
    look = max(plan.batch, 32)
  }

  /// Takes back all that is there, then tops the ring up; returns how many buffers came back.
  ///
  /// All of it first: adding one for each that came back stores to a line that the device is reading, once a buffer.
  ///
  /// Out of line: all that runs a queue shares this, so that the rings' loops are compiled once for each queue type.
  @inline(never)
  mutating func step<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let before = returned
    var count = 0
    repeat {
      do throws(QueueError) { count = try reclaim(&queue, whole: false) } catch { throw .queue(error) }
      try receive(queue.completions)
    } while count == look && returned != added
    try send(&queue)
    return Int(returned &- before)
  }

  /// Takes back what one look finds, or a whole batch.
  ///
  /// Returns how many there were; the queue's completions are those of its last look.
  @inline(__always)
  private mutating func reclaim<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, whole: Bool
  ) throws(QueueError) -> Int {
    var left = look
    repeat { left &-= try queue.reclaim(atMost: left) } while whole && left > 0
    return look &- left
  }

  /// Tops the ring up to `depth`, a whole batch at a time, and makes each batch visible with one store.
  @inline(__always)
  private mutating func send<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) {
    while true {
      let outstanding = Int(added &- returned)
      let wanted = min(plan.batch, Int(target &- added))
      if wanted == 0 || outstanding &+ wanted > plan.depth { return }
      do throws(QueueError) { try add(&queue, wanted) } catch { throw .queue(error) }
      precondition(queue.inFlightCount == Int(added &- returned), "a ring that holds \(plan.depth) buffers is full")
      // Where both ends poll the answer is not acted upon; the fence and the look at the other side's wish are what a
      // driver pays at every kick.
      if plan.looksAtEvents, queue.isNotificationDue(), let doorbells = plan.doorbells { doorbells.kick.ring() }
    }
  }

  @inline(__always)
  private mutating func add<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue, _ count: Int) throws(QueueError) {
    wanted = count
    if plan.segments != 1 { return try sendChains(&queue) }
    if plan.direction == .deviceReadable && isTouched { return try fillAddAndPublish(&queue) }
    try addAndPublish(&queue)
  }

  /// Adds the buffers that are wanted, of one segment each, as they are; a function of its own, so that a profiler sees
  /// it by name.
  @inline(never)
  private mutating func addAndPublish<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(QueueError) {
    // In locals: the stores into the ring would have the plan read anew for each buffer.
    let (depth, first) = (plan.depth, added)
    var next = plan.payload.cursor(at: addSlot, of: depth)
    _ = try queue.add(atMost: wanted, plan.direction) { i in
      (next.take(), first &+ UInt64(truncatingIfNeeded: i))
    }
    advance(wanted, depth)
    queue.publish()
  }

  /// The same, each buffer written in full before it is added.
  @inline(never)
  private mutating func fillAddAndPublish<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(QueueError) {
    let (bytes, depth, first) = (plan.bytes, plan.depth, added)
    var next = plan.payload.cursor(at: addSlot, of: depth)
    _ = try queue.add(atMost: wanted, plan.direction) { i in
      let number = first &+ UInt64(truncatingIfNeeded: i)
      unsafe crb_fill(next.host.pointer, bytes, number)
      return (next.take(), number)
    }
    advance(wanted, depth)
    queue.publish()
  }

  @inline(__always)
  private mutating func advance(_ count: Int, _ depth: Int) {
    added &+= UInt64(count)
    addSlot &+= count
    if addSlot >= depth { addSlot &-= depth }
  }

  /// A batch added, with the device's end on the same thread.
  mutating func addBatch<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) {
    wanted = plan.batch
    do throws(QueueError) { plan.segments == 1 ? try addAndPublish(&queue) : try sendChains(&queue) } catch {
      throw .queue(error)
    }
    precondition(queue.inFlightCount == plan.batch, "a ring that holds \(plan.batch) buffers is full")
  }

  /// A batch taken back, with the device's end on the same thread.
  mutating func reclaimBatch<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) {
    look = plan.batch
    do throws(QueueError) { _ = try reclaim(&queue, whole: true) } catch { throw .queue(error) }
  }

  /// Buffers in several segments; a function of its own, so that a profiler sees it by name.
  @inline(never)
  private mutating func sendChains<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(QueueError) {
    for _ in 0..<wanted {
      if plan.direction == .deviceReadable && isTouched {
        unsafe crb_fill(plan.payload.host(addSlot).pointer, plan.bytes, added)
      }
      let result = try Self.addParts(&queue, plan, plan.payload.segment(addSlot), token: added)
      if result != .added { break }
      advance(1, plan.depth)
    }
    queue.publish()
  }

  /// The buffer in several segments, cut on words of the payload where it is long enough.
  @inline(never)
  static func addParts<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ plan: LoadPlan, _ whole: MemorySegment, token: UInt64
  ) throws(QueueError) -> AddResult {
    let count = plan.segments
    let even = Int(whole.length) / count
    let step = UInt32(even >= 8 ? even & ~7 : even)
    let parts = InlineArray<16, MemorySegment> { i in
      let offset = UInt32(i) &* step
      return MemorySegment(
        GuestPhysicalAddress(whole.address.rawValue &+ UInt64(offset)),
        length: i == count &- 1 ? whole.length &- offset : step)
    }
    let used = parts.span.extracting(first: count)
    let none = parts.span.extracting(first: 0)
    return plan.direction == .deviceReadable
      ? try queue.add(readable: used, writable: none, token: token)
      : try queue.add(readable: none, writable: used, token: token)
  }

  /// Checks what came back: its turn, its length and, where the device wrote, every byte.
  // Once a batch, and the same for every queue type.
  @inline(never)
  private mutating func receive(_ completions: Span<Completion>) throws(SliceFailure) {
    let isPlain = plan.direction == .deviceReadable
    let expected = isPlain ? 0 : UInt32(truncatingIfNeeded: plan.bytes)
    // Field by field and out at the first that differs: a loop that goes to the end the compiler makes wide loads of,
    // over what was stored in two parts just now, and each waits for both.
    var number = returned
    for i in completions.indices {
      if completions[i].token != number || completions[i].writtenByteCount != expected {
        throw explain(completions, expected)
      }
      number &+= 1
    }
    if !isTouched || isPlain {
      returnSlot &+= completions.count
      if returnSlot >= plan.depth { returnSlot &-= plan.depth }
    } else {
      for i in completions.indices {
        let (host, number) = (plan.payload.host(returnSlot), returned &+ UInt64(i))
        if unsafe !crb_check(host.pointer, plan.bytes, number) {
          throw .wrongByte(sequence: number, offset: unsafe crb_first_wrong_byte(host.pointer, plan.bytes, number))
        }
        returnSlot = returnSlot &+ 1 == plan.depth ? 0 : returnSlot &+ 1
      }
    }
    returned &+= UInt64(completions.count)
  }

  @inline(never)
  private func explain(_ completions: Span<Completion>, _ expected: UInt32) -> SliceFailure {
    for i in completions.indices {
      let (completion, number) = (completions[i], returned &+ UInt64(i))
      if completion.token != number { return .wrongOrder(expected: number, got: completion.token) }
      if completion.writtenByteCount != expected {
        return .wrongLength(sequence: number, expected: Int(expected), got: Int(completion.writtenByteCount))
      }
    }
    return .other
  }

  /// Nothing came back: lets the path do what is due, and gives up when the other end did.
  @inline(__always)
  private mutating func wait<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ idle: Int, _ barrier: SliceBarrier
  ) throws(SliceFailure) {
    if let doorbells = plan.doorbells { return try sleep(&queue, doorbells, barrier) }
    // Polling at full rate first: a pause is longer than a line takes to arrive.
    if idle & 0x3f != 0x3f { return }
    cring_spin_hint()
    if idle & 0xfff == 0xfff { try look(&queue, idle, barrier) }
  }

  /// The device's process has ended: what it had completed by then is complete.
  private mutating func collect<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) {
    // Nothing more is added.
    target = added
    while try step(&queue) != 0 {}
    throw .deviceGone(inFlight: queue.inFlightCount)
  }

  @inline(never)
  private mutating func look<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ idle: Int, _ barrier: SliceBarrier
  ) throws(SliceFailure) {
    if barrier.hasFailed {
      if barrier.isAbandoned { try collect(&queue) }
      throw .other
    }
    do throws(QueueError) { try queue.poll() } catch { throw .queue(error) }
    // Some 10 ns a turn: this many turns without a single buffer are many seconds.
    if idle > 1 << 30 { throw .stalled(done: Int(returned), of: Int(target)) }
  }

  @inline(never)
  private func sleep<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ doorbells: Doorbells, _ barrier: SliceBarrier
  ) throws(SliceFailure) {
    if queue.enableNotifications() { return }
    // A notification that is lost would show as a quarter of a second of nothing, so the time-out hides no error.
    if !doorbells.call.wait(milliseconds: 250) && barrier.hasFailed { throw .other }
    queue.disableNotifications()
  }
}
