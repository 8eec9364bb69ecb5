/// CPUs that meet at a lock, in virtual time: nothing sleeps, nothing is measured, and a seed repeats it exactly.
///
/// The lock is the library's, test and test-and-set. It is free when it is released, but a waiting CPU learns that only
/// when the line has come over, and any waiting CPU may be first; until then the CPU that released it may take it
/// again. A waiting CPU reads the line all the time, so the holder's copy does not stay its own: a write later than one
/// transfer after it got the line has to fetch it back. Work between locks varies by a fifth either way, so that CPUs
/// do not march in step. The first half of a run fills the queues, the second counts.
package struct ContentionSimulator {
  private static let fewestPasses = 100.0

  private enum Event {
    /// The CPU is through with a step.
    case ready(cpu: Int)
    /// The CPU is through with what it held the lock for.
    case release(cpu: Int, lock: Int)
    /// The line has come to one that waits.
    case granted(cpu: Int, lock: Int, turn: Int)
  }

  private struct Lock {
    var holder = -1
    var lastHolder = -1
    var waiting: [Int] = []
    // Acquisitions so far; a grant of an earlier one came too late.
    var turn = 0
    // When the last writer had the line to itself.
    var exclusiveAt = 0.0
  }

  private struct CPU {
    var step = 0
    var passes = 0
    var since = 0.0
    var lockWait = 0.0
    var unitWait = 0.0
  }

  private let operation: SimulatedOperation
  private let transfer: Double
  // Counted from here on, up to half a pass more than what is asked for: no rounding decides whether the last one
  // counts.
  private let middle: Double
  private let horizon: Double
  private let length: Double
  private var random: SeededGenerator
  private var events = EventQueue<Event>()
  private var locks: [Lock]
  private var cpus: [CPU]
  private var unitFree = 0.0

  /// A run over an operation that takes some time.
  ///
  /// - Parameters:
  ///   - operation: what each CPU does over and over.
  ///   - count: how many CPUs there are.
  ///   - transfer: nanoseconds of a line from CPU to CPU.
  ///   - length: the virtual time that counts, in maps and unmaps of one CPU alone; longer where a pass is many of
  ///     them.
  ///   - seed: of everything random.
  package init(_ operation: SimulatedOperation, cpus count: Int, transfer: Double, length: Int, seed: UInt64) {
    self.operation = operation
    self.transfer = transfer
    let passes = max(Double(length) / Double(operation.count), Self.fewestPasses).rounded(.up)
    self.length = operation.duration * passes
    middle = self.length + operation.duration / 2
    horizon = middle + self.length
    random = SeededGenerator(seed: seed)
    // Lock 0 is everybody's, the others are one a CPU.
    locks = Array(repeating: Lock(), count: count + 1)
    cpus = Array(repeating: CPU(), count: count)
  }

  package mutating func run() -> SimulationResult {
    for cpu in cpus.indices {
      events.add(.ready(cpu: cpu), at: cpus.count == 1 ? 0 : operation.duration * random.unit())
    }
    precondition(horizon > 0, "an operation that takes no time has no rate")
    while let (time, event) = events.next(), time <= horizon, !Interrupt.isRequested {
      switch event {
      case .ready(let cpu): advance(cpu, time)
      case .release(let cpu, let lock): release(lock, cpu, time)
      case .granted(let cpu, let lock, let turn):
        guard locks[lock].turn == turn, locks[lock].holder < 0 else { continue }
        locks[lock].waiting.removeAll { $0 == cpu }
        cpus[cpu].lockWait += counted(cpus[cpu].since, time)
        acquire(lock, cpu, time)
      }
    }
    // A CPU that still waits has waited until now.
    for lock in locks { for cpu in lock.waiting { cpus[cpu].lockWait += counted(cpus[cpu].since, horizon) } }
    let total = length * Double(cpus.count)
    return SimulationResult(
      cpus: cpus.count, operations: cpus.map(\.passes).reduce(0, +) * operation.count, nanoseconds: length,
      lockWaitShare: cpus.map(\.lockWait).reduce(0, +) / total,
      unitWaitShare: cpus.map(\.unitWait).reduce(0, +) / total)
  }

  /// As much of a wait as counts.
  private func counted(_ from: Double, _ to: Double) -> Double { max(0, min(to, horizon) - max(from, middle)) }

  private func step(_ cpu: Int) -> SimulatedStep { operation.steps[cpus[cpu].step] }

  private mutating func advance(_ cpu: Int, _ time: Double) {
    guard cpus[cpu].step < operation.steps.count else {
      if time > middle { cpus[cpu].passes += 1 }
      cpus[cpu].step = 0
      // Back through the queue, so that an operation of no cost cannot go on for ever at one time.
      events.add(.ready(cpu: cpu), at: time)
      return
    }
    let next = step(cpu)
    switch next {
    case .work(let length):
      cpus[cpu].step += 1
      events.add(.ready(cpu: cpu), at: time + (cpus.count == 1 ? length : length * (0.8 + 0.4 * random.unit())))
    case .locked(let isOwn, _, _): request(isOwn ? cpu + 1 : 0, cpu, time)
    case .served(let length):
      cpus[cpu].step += 1
      unitFree = max(unitFree, time) + length
      cpus[cpu].unitWait += counted(time, unitFree)
      events.add(.ready(cpu: cpu), at: unitFree)
    }
  }

  private mutating func request(_ lock: Int, _ cpu: Int, _ time: Double) {
    if locks[lock].holder < 0 && (locks[lock].waiting.isEmpty || locks[lock].lastHolder == cpu) {
      return acquire(lock, cpu, time)
    }
    cpus[cpu].since = time
    locks[lock].waiting.append(cpu)
  }

  private mutating func acquire(_ lock: Int, _ cpu: Int, _ time: Double) {
    guard case .locked(_, let hold, let lines) = step(cpu) else { preconditionFailure("only a lock's step acquires") }
    let isForeign = locks[lock].lastHolder >= 0 && locks[lock].lastHolder != cpu
    let owned = isForeign ? fetch(lock, time) : write(lock, time)
    locks[lock].holder = cpu
    locks[lock].turn += 1
    events.add(.release(cpu: cpu, lock: lock), at: owned + hold + (isForeign ? lines * transfer : 0))
  }

  private mutating func release(_ lock: Int, _ cpu: Int, _ time: Double) {
    let written = write(lock, time)
    locks[lock].holder = -1
    locks[lock].lastHolder = cpu
    cpus[cpu].step += 1
    if !locks[lock].waiting.isEmpty {
      let first = locks[lock].waiting[Int(random.next() % UInt64(locks[lock].waiting.count))]
      events.add(.granted(cpu: first, lock: lock, turn: locks[lock].turn), at: written + transfer)
    }
    if written > time { events.add(.ready(cpu: cpu), at: written) } else { advance(cpu, time) }
  }

  /// When the CPU that wrote the lock's line last can write it again: at once, unless others have read it since.
  private mutating func write(_ lock: Int, _ time: Double) -> Double {
    locks[lock].waiting.isEmpty || time < locks[lock].exclusiveAt + transfer ? time : fetch(lock, time)
  }

  private mutating func fetch(_ lock: Int, _ time: Double) -> Double {
    locks[lock].exclusiveAt = time + transfer
    return time + transfer
  }
}

extension SeededGenerator {
  /// From 0 up to 1.
  fileprivate mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }
}

/// Events in the order of their times; those of one time in the order they were added.
struct EventQueue<Payload> {
  private struct Entry {
    let time: Double
    let number: UInt64
    let payload: Payload

    func isBefore(_ other: Entry) -> Bool { time < other.time || time == other.time && number < other.number }
  }

  private var heap: [Entry] = []
  private var added: UInt64 = 0

  mutating func add(_ payload: Payload, at time: Double) {
    heap.append(Entry(time: time, number: added, payload: payload))
    added += 1
    var child = heap.count - 1
    while child > 0, case let parent = (child - 1) / 2, heap[child].isBefore(heap[parent]) {
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func next() -> (time: Double, payload: Payload)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    return (first.time, first.payload)
  }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
        least = child
      }
      if least == parent { return }
      heap.swapAt(least, parent)
      parent = least
    }
  }
}

/// What came of one simulated run.
package struct SimulationResult: Equatable, Sendable {
  package let cpus: Int
  /// Finished within the time.
  package let operations: Int
  /// Of virtual time.
  package let nanoseconds: Double
  /// Of all CPUs' time, 0 to 1: waiting for a lock that another held.
  package let lockWaitShare: Double
  /// Waiting for the unit, its own work on the request included.
  package let unitWaitShare: Double

  package var operationsPerSecond: Double { Double(operations) / nanoseconds * 1e9 }
}
