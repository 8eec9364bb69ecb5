import CRing
import CRingBench
import RingKit

/// The driver's side of a closed loop: keeps `depth` buffers outstanding until a number of them came back.
///
/// Generic over the queue and specialised with it: nothing between the ring's calls is dispatched at run time.
struct DriverLoop {
  let plan: LoadPlan
  /// Number of the next buffer to add, and of the next one to come back: they go on from slice to slice.
  private(set) var added: UInt64 = 0
  private(set) var returned: UInt64 = 0
  // Up to which number a loop that takes turns with others goes.
  private var target: UInt64 = 0
  // Their places in the payload pool, which go round; counted along, because a division per buffer would be measured.
  private var addPlace = 0
  private var returnPlace = 0

  init(_ plan: LoadPlan) { self.plan = plan }

  /// Sends `count` buffers round and returns the nanoseconds it took.
  mutating func run<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, gate: SliceGate
  ) throws(SliceFailure) -> UInt64 {
    let start = cring_nanoseconds()
    try exchange(&queue, count: count, gate: gate)
    return cring_nanoseconds() &- start
  }

  /// The loop itself.
  @inline(__always)
  mutating func exchange<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, gate: SliceGate
  ) throws(SliceFailure) {
    let target = returned &+ UInt64(count)
    var idle = 0
    while returned != target {
      let progress = returned
      do throws(QueueError) { _ = try queue.reclaim(atMost: plan.batch) } catch { throw .queue(error) }
      try receive(queue.completions)
      try send(&queue, until: target)
      if returned == progress {
        idle &+= 1
        try wait(&queue, idle, gate, target)
      } else {
        idle = 0
      }
    }
  }

  /// So many more buffers are to come back, a turn at a time.
  mutating func begin(_ count: Int) { target = returned &+ UInt64(count) }

  /// Takes back what is there and tops the ring up; returns how many buffers came back.
  mutating func turn<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let before = returned
    do throws(QueueError) { _ = try queue.reclaim(atMost: plan.batch) } catch { throw .queue(error) }
    try receive(queue.completions)
    try send(&queue, until: target)
    return Int(returned &- before)
  }

  /// Tops the ring up to `depth`, a whole batch at a time, and makes each batch visible with one store.
  @inline(__always)
  private mutating func send<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, until target: UInt64
  ) throws(SliceFailure) {
    while true {
      let outstanding = Int(added &- returned)
      let wanted = min(plan.batch, Int(target &- added))
      if wanted == 0 || outstanding &+ wanted > plan.depth { return }
      try plan.segments == 1 ? sendSingles(&queue, wanted) : sendChains(&queue, wanted)
      queue.publish()
      // Where both ends poll the answer is not acted upon; the fence and the look at the other side's wish are what a
      // driver pays at every kick.
      if plan.looksAtEvents, queue.isNotificationDue(), let doorbells = plan.doorbells { doorbells.kick.ring() }
    }
  }

  @inline(__always)
  private mutating func sendSingles<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ wanted: Int
  ) throws(SliceFailure) {
    // In locals: the stores into the ring would have the plan read anew for each buffer.
    let (payload, bytes, depth, first) = (plan.payload, plan.bytes, plan.depth, added)
    let isFilled = plan.direction == .deviceReadable && plan.touch == .full
    var next = payload.cursor(at: addPlace, of: depth)
    let count: Int
    do throws(QueueError) {
      count = try queue.add(atMost: wanted, plan.direction) { i in
        let number = first &+ UInt64(truncatingIfNeeded: i)
        if isFilled { unsafe crb_fill(next.host.pointer, bytes, number) }
        return (next.take(), number)
      }
    } catch { throw .queue(error) }
    precondition(count == wanted, "a ring that holds \(depth) buffers is full")
    added &+= UInt64(wanted)
    addPlace &+= wanted
    if addPlace >= depth { addPlace &-= depth }
  }

  @inline(never)
  private mutating func sendChains<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ wanted: Int
  ) throws(SliceFailure) {
    for _ in 0..<wanted {
      if plan.direction == .deviceReadable && plan.touch == .full {
        unsafe crb_fill(plan.payload.host(addPlace).pointer, plan.bytes, added)
      }
      let result: AddResult
      do throws(QueueError) {
        result = try Self.addParts(&queue, plan, plan.payload.segment(addPlace), token: added)
      } catch {
        throw .queue(error)
      }
      precondition(result == .added, "a ring that holds \(plan.depth) buffers is full")
      added &+= 1
      addPlace = addPlace &+ 1 == plan.depth ? 0 : addPlace &+ 1
    }
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
  @inline(__always)
  private mutating func receive(_ completions: Span<Completion>) throws(SliceFailure) {
    let isPlain = plan.direction == .deviceReadable
    let expected = isPlain ? 0 : UInt32(truncatingIfNeeded: plan.bytes)
    // Field by field and out at the first that differs: a loop that goes to the end the compiler makes wide loads of, over
    // what was stored in two parts just now, and each waits for both.
    var number = returned
    for i in completions.indices {
      if completions[i].token != number || completions[i].writtenByteCount != expected {
        throw explain(completions, expected)
      }
      number &+= 1
    }
    if plan.touch == .none || isPlain {
      returnPlace &+= completions.count
      if returnPlace >= plan.depth { returnPlace &-= plan.depth }
    } else {
      for i in completions.indices {
        let (host, number) = (plan.payload.host(returnPlace), returned &+ UInt64(i))
        if unsafe !crb_check(host.pointer, plan.bytes, number) {
          throw .wrongByte(sequence: number, offset: unsafe crb_first_wrong_byte(host.pointer, plan.bytes, number))
        }
        returnPlace = returnPlace &+ 1 == plan.depth ? 0 : returnPlace &+ 1
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
    _ queue: inout Queue, _ idle: Int, _ gate: SliceGate, _ target: UInt64
  ) throws(SliceFailure) {
    if let doorbells = plan.doorbells { return try sleep(&queue, doorbells, gate) }
    // Polling at full rate first: a pause is longer than a line takes to arrive.
    if idle & 0x3f != 0x3f { return }
    cring_spin_hint()
    if idle & 0xfff == 0xfff { try look(&queue, idle, gate, target) }
  }

  /// The device's process has ended: what it had completed by then is complete.
  @inline(never)
  private mutating func collect<Queue: DriverQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) {
    var progress: UInt64
    repeat {
      progress = returned
      do throws(QueueError) { _ = try queue.reclaim(atMost: plan.batch) } catch { throw .queue(error) }
      try receive(queue.completions)
    } while returned != progress
    throw .deviceGone(inFlight: queue.inFlightCount)
  }

  @inline(never)
  private mutating func look<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ idle: Int, _ gate: SliceGate, _ target: UInt64
  ) throws(SliceFailure) {
    if gate.hasFailed {
      if gate.isAbandoned { try collect(&queue) }
      throw .other
    }
    do throws(QueueError) { try queue.poll() } catch { throw .queue(error) }
    // Some 10 ns a turn: this many turns without a single buffer are many seconds.
    if idle > 1 << 30 { throw .stalled(done: Int(returned), of: Int(target)) }
  }

  @inline(never)
  private func sleep<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ doorbells: Doorbells, _ gate: SliceGate
  ) throws(SliceFailure) {
    if queue.enableNotifications() { return }
    // A notification that is lost would show as a second of nothing, so the time-out hides no error.
    if !doorbells.call.wait(milliseconds: 1000) && gate.hasFailed { throw .other }
    queue.disableNotifications()
  }
}
