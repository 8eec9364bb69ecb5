import CRing
import RingKit
import Synchronization

/// The driver's thread: counts, calibrates, then lets every case take its turn, with a probe between slices.
package struct DriverWorker {
  /// A multiple of 255, so that the flush queue's one flush per 255 unmaps comes out exactly, and of 8.
  static let countedBuffers = 255 * 16

  // Enough to tell a median from, with some to lose to moves between placements.
  private static let fewestUndisturbed = 10
  // Rounds that a run has the time for, if need be with shorter slices.
  private static let fewRounds = 6
  private static let shortestSlice = 50_000.0
  private static let roundTripsPerLook = 500

  package let schedule: SliceSchedule
  var run = SliceRun()
  // The peer that is awake; the others sleep.
  private var current = 0
  // When the step that is under way has to be over.
  private var limit = UInt64.max
  private var sliceNanoseconds = 0.0
  private var longestSlice = BenchCase.stepNanoseconds

  init(_ schedule: SliceSchedule) { self.schedule = schedule }

  mutating func lead() -> SliceRun {
    var at = ""
    do throws(SliceFailure) {
      for peer in schedule.peers.dropFirst() { try Self.park(peer) }
      try measure(&at)
    } catch {
      run.failure = (at, error)
    }
    for peer in schedule.peers {
      peer.barrier.rouse(.finish)
      do throws(SliceFailure) { try peer.barrier.waitUntilIdle() } catch { run.failure = run.failure ?? (at, error) }
    }
    run.interrupted = Interrupt.isRequested
    return run
  }

  /// Each step has a part of what is left of the time, so that the last, the rounds, has the most.
  private mutating func measure(_ at: inout String) throws(SliceFailure) {
    giveTime(0.3)
    try schedule.tuner?.prepare(&self, &at)
    giveTime(0.5)
    for number in schedule.counted.indices where isReady(schedule.counted[number]) {
      at = schedule.counted[number].label
      if isOver { break }
      try count(number)
    }
    giveTime(0.3)
    for number in schedule.timed.indices {
      at = schedule.timed[number].label
      if isOver { break }
      try fill(number + schedule.counted.count, nanoseconds: schedule.sliceNanoseconds)
    }
    giveTime(0.3)
    for number in schedule.timed.indices {
      at = schedule.timed[number].label
      if isOver { break }
      try timeRoundTrips(number)
    }
    giveTime(1)
    try takeTurns(&at)
    for benchCase in schedule.timed {
      guard let refusal = schedule.tuner?.refusal(benchCase), !run.leftOut.contains(refusal) else { continue }
      run.leftOut.append(refusal)
    }
  }

  /// From now on so much of the time that is left, 0 to 1.
  private mutating func giveTime(_ share: Double) {
    let now = cring_nanoseconds()
    limit = now &+ UInt64(share * Double(schedule.deadline &- min(now, schedule.deadline)))
  }

  /// Whether the step's time is up, or the run was asked to end.
  package var isOver: Bool { Interrupt.isRequested || cring_nanoseconds() >= limit }

  private func isReady(_ benchCase: BenchCase) -> Bool { schedule.tuner?.refusal(benchCase) == nil }

  private static func park(_ peer: SlicePeer) throws(SliceFailure) {
    peer.barrier.open(.park)
    try peer.barrier.waitUntilIdle()
  }

  /// Has the device's thread that serves a case awake and the other asleep: they share a CPU.
  private mutating func begin(_ number: Int, buffers: Int) throws(SliceFailure) -> SliceBarrier {
    let (peer, benchCase) = schedule.attachment(number)
    if peer != current {
      try Self.park(schedule.peers[current])
      current = peer
      schedule.peers[peer].barrier.rouse(.wake)
      try schedule.peers[peer].barrier.waitUntilIdle()
    }
    let barrier = schedule.peers[peer].barrier
    barrier.open(.slice(benchCase: benchCase), buffers: buffers)
    return barrier
  }

  /// A slice of the case with this number among all of them, in steps between which it can be broken off.
  private mutating func slice(_ number: Int, buffers: Int) throws(SliceFailure) -> SliceTime {
    let benchCase = schedule.benchCase(number)
    var done = SliceTime()
    while done.buffers < buffers && !isOver {
      let count = benchCase.step(of: buffers - done.buffers)
      let barrier = try begin(number, buffers: count / max(1, benchCase.queues.count))
      var time: UInt64 = 0
      try lead(number, barrier) { () throws(SliceFailure) in time = try benchCase.runDriver(count, barrier) }
      done.nanoseconds += Double(time)
      done.buffers += count
    }
    return done
  }

  /// The driver's part of a slice that has begun, and its end.
  private func lead(_ number: Int, _ barrier: SliceBarrier, _ body: () throws(SliceFailure) -> Void)
    throws(SliceFailure)
  {
    do throws(SliceFailure) {
      try body()
    } catch {
      barrier.fail()
      end(number, barrier)
      // What failed first is what is told.
      do throws(SliceFailure) { try barrier.waitUntilIdle() } catch {}
      throw error
    }
    end(number, barrier)
    try barrier.waitUntilIdle()
  }

  private func end(_ number: Int, _ barrier: SliceBarrier) {
    barrier.endSlice()
    schedule.benchCase(number).wakeDevice?()
  }

  /// Work per buffer once caches of every kind are warm.
  private mutating func count(_ number: Int) throws(SliceFailure) {
    let benchCase = schedule.counted[number]
    _ = try slice(number, buffers: benchCase.countedBuffers)
    let before = benchCase.work
    let waitsBefore = benchCase.lockWaits()
    // Part of it would not be a whole round of what is done once in so many buffers.
    guard try slice(number, buffers: benchCase.countedBuffers).buffers == benchCase.countedBuffers else { return }
    let done = benchCase.work - before
    var counters = benchCase.figures()
    for event in WorkEvent.allCases {
      counters[event.rawValue] = Double(done[event]) / Double(benchCase.countedBuffers)
    }
    for (lock, waits) in benchCase.lockWaits() {
      counters[lock] = Double(waits &- waitsBefore[lock, default: 0]) / Double(benchCase.countedBuffers)
    }
    run.counters[number] = counters
  }

  /// As many buffers as a slice takes, by the fastest of a few short ones.
  package mutating func fill(_ number: Int, nanoseconds: Double) throws(SliceFailure) {
    let benchCase = schedule.benchCase(number)
    var buffers = benchCase.trialBuffers
    var best = Double.infinity
    for trial in 0..<6 {
      let done = try slice(number, buffers: buffers)
      guard done.buffers > 0 else { break }
      best = min(best, done.perBuffer)
      if done.nanoseconds < nanoseconds / 4 { buffers *= 2 }
      // What takes that long is known well enough.
      if trial > 0 && done.nanoseconds > BenchCase.stepNanoseconds { break }
    }
    if best.isFinite { benchCase.size(nanoseconds, at: best) }
  }

  /// Percentiles of single round trips; not part of the timed slices, because reading the counter twice would be.
  private mutating func timeRoundTrips(_ number: Int) throws(SliceFailure) {
    guard schedule.roundTrips > 0, let time = schedule.timed[number].timeRoundTrips else { return }
    var histogram = LatencyHistogram()
    var left = schedule.roundTrips
    let all = number + schedule.counted.count
    let barrier = try begin(all, buffers: 0)
    try lead(all, barrier) { () throws(SliceFailure) in
      while left > 0 && !isOver {
        let count = min(left, Self.roundTripsPerLook)
        try time(count, barrier) { histogram.record(cycles: $0) }
        left -= count
      }
    }
    if left < schedule.roundTrips { run.latencies[number] = histogram.summary }
  }

  private mutating func takeTurns(_ at: inout String) throws(SliceFailure) {
    let sized = schedule.timed.indices.filter { schedule.timed[$0].buffersPerSlice > 0 }
    shrink(sized)
    var before = try look()
    var undisturbed = [Int](repeating: 0, count: schedule.timed.count)
    var round = 0
    // The last slice, unless the CPUs did something else since.
    var last: SliceConditions?
    // On a machine that is busy with something else, more rounds until there is something to tell; within limits.
    while round < schedule.rounds
      || round < 3 * schedule.rounds && sized.contains(where: { undisturbed[$0] < Self.fewestUndisturbed })
    {
      defer { round += 1 }
      let turns = schedule.order(round: round).filter { sized.contains($0) && isReady(schedule.timed[$0]) }
      if turns.isEmpty { return }
      schedule.planned.store(max(schedule.rounds, round + 1) * turns.count, ordering: .relaxed)
      for number in turns {
        if isOver { return }
        if let slice = last, try schedule.tuner?.follow(slice, until: limit, &self, &at) == true {
          before = try look()
        }
        at = schedule.timed[number].label
        let taken = try take(number + schedule.counted.count, as: number, round: round, &before)
        guard let record = taken else { return }
        if record.conditions.stolenTicks == 0 && record.conditions.involuntarySwitches == 0 {
          undisturbed[number] += 1
          schedule.timed[number].resize(sliceNanoseconds, after: record.nanosecondsPerBuffer, longest: longestSlice)
        }
        run.records.append(record)
        last = record.conditions
        schedule.finished.wrappingAdd(1, ordering: .relaxed)
      }
    }
  }

  /// Shorter slices where the time that is left would not do for a few rounds.
  private mutating func shrink(_ sized: [Int]) {
    sliceNanoseconds = schedule.sliceNanoseconds
    let now = cring_nanoseconds()
    let share = Double(schedule.deadline &- min(now, schedule.deadline)) / Double(min(schedule.rounds, Self.fewRounds))
    let round = sized.reduce(0.0) { sum, number in
      let benchCase = schedule.timed[number]
      return sum + benchCase.cost * Double(benchCase.buffersPerSlice + warmingBuffers(benchCase))
    }
    guard round > share else { return }
    // Half of a turn is to warm up.
    sliceNanoseconds = min(sliceNanoseconds, max(Self.shortestSlice, share / Double(2 * sized.count)))
    longestSlice = sliceNanoseconds
    for number in sized {
      let benchCase = schedule.timed[number]
      benchCase.size(sliceNanoseconds, at: benchCase.cost, longest: longestSlice)
    }
  }

  /// A timed slice of a case, after what looked at the CPUs `before`, and a look after it; `nil` when none of it
  /// was done in time.
  package mutating func take(
    _ all: Int, as number: Int, round: Int, _ before: inout CPUState
  ) throws(SliceFailure) -> SliceRecord? {
    let benchCase = schedule.benchCase(all)
    let setting = schedule.tuner?.tune(benchCase, roundTrip: before.roundTrip)
    try warm(all)
    let taken = taken()
    let done = try slice(all, buffers: benchCase.buffersPerSlice)
    guard done.buffers > 0 else { return nil }
    let after = try look()
    let conditions = SliceConditions(
      roundTripBefore: before.roundTrip, roundTripAfter: after.roundTrip,
      stolenTicks: after.stolenTicks &- taken.stolenTicks,
      involuntarySwitches: after.involuntarySwitches &- taken.involuntarySwitches)
    before = after
    return SliceRecord(
      benchCase: number, round: round, nanosecondsPerBuffer: done.perBuffer,
      conditions: conditions, setting: setting)
  }

  /// Brings a case's memory where its slices leave it; where that is more than a slice, as far as a slice does.
  private mutating func warm(_ number: Int) throws(SliceFailure) {
    let buffers = warmingBuffers(schedule.benchCase(number))
    if buffers > 0 { _ = try slice(number, buffers: buffers) }
  }

  private func warmingBuffers(_ benchCase: BenchCase) -> Int {
    let multiple = benchCase.batchMultiple
    let whole = (benchCase.warmingBuffers + multiple - 1) / multiple * multiple
    return min(whole, benchCase.buffersPerSlice)
  }

  /// Where the two CPUs are now, and what was taken from them so far.
  package func look() throws(SliceFailure) -> CPUState {
    if let source = schedule.source { return source() }
    let peer = schedule.peers[current]
    peer.barrier.open(.probe)
    let roundTrip = peer.probe.ping()
    try peer.barrier.waitUntilIdle()
    if roundTrip < 0 { peer.probe.reset() }
    var state = taken()
    state.roundTrip = roundTrip
    return state
  }

  /// What was taken from the two CPUs so far, without a look at where they are.
  private func taken() -> CPUState {
    if schedule.source != nil { return CPUState(roundTrip: -1) }
    var stolen: UInt64 = 0
    for cpu in [schedule.driverCPU] + schedule.workers.map(\.cpu) {
      var ticks: UInt64 = 0
      if unsafe cring_stolen_ticks(Int32(cpu), &ticks) == 0 { stolen &+= ticks }
    }
    let switches = schedule.peers.reduce(cring_involuntary_switches()) { $0 &+ $1.barrier.switchCount }
    return CPUState(roundTrip: -1, stolenTicks: stolen, involuntarySwitches: switches)
  }
}

/// What a slice, or as much of it as there was time for, took.
private struct SliceTime {
  var nanoseconds = 0.0
  var buffers = 0

  var perBuffer: Double { nanoseconds / Double(buffers) }
}
