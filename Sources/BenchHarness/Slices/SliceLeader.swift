import CRing
import RingKit
import Synchronization

/// The driver's thread: counts, calibrates, then lets every contender take its turn, with a probe between slices.
package struct SliceLeader {
  /// A multiple of 255, so that the flush queue's one flush per 255 unmaps comes out exactly, and of 8.
  package static let countedBuffers = 255 * 16

  // Enough to tell a median from, with some to lose to moves between placements.
  private static let fewestUndisturbed = 10

  package let schedule: SliceSchedule
  package var run = SliceRun()
  // The peer that is awake; the others sleep.
  private var current = 0

  init(_ schedule: SliceSchedule) { self.schedule = schedule }

  mutating func lead() -> SliceRun {
    var at = ""
    do throws(SliceFailure) {
      for peer in schedule.peers.dropFirst() { try Self.park(peer) }
      run.refusal = try schedule.tuner?.prepare(&self, &at)
      if run.refusal == nil { try measure(&at) }
    } catch {
      run.failure = (at, error)
    }
    for peer in schedule.peers {
      peer.gate.rouse(.finish)
      do throws(SliceFailure) { try peer.gate.waitUntilIdle() } catch { run.failure = run.failure ?? (at, error) }
    }
    run.interrupted = Interrupt.isRequested
    return run
  }

  private mutating func measure(_ at: inout String) throws(SliceFailure) {
    for number in schedule.counted.indices {
      at = schedule.counted[number].label
      if Interrupt.isRequested { break }
      try count(number)
    }
    for number in schedule.timed.indices {
      at = schedule.timed[number].label
      if Interrupt.isRequested { break }
      try fill(number + schedule.counted.count, nanoseconds: schedule.sliceNanoseconds)
    }
    for number in schedule.timed.indices {
      at = schedule.timed[number].label
      if Interrupt.isRequested { break }
      try timeRoundTrips(number)
    }
    try takeTurns(&at)
  }

  private static func park(_ peer: SlicePeer) throws(SliceFailure) {
    peer.gate.open(.park)
    try peer.gate.waitUntilIdle()
  }

  /// Has the device's thread that serves a contender awake and the other asleep: they share a CPU.
  private mutating func begin(_ number: Int, buffers: Int) throws(SliceFailure) -> SliceGate {
    let (peer, contender) = schedule.attachment(number)
    if peer != current {
      try Self.park(schedule.peers[current])
      current = peer
      schedule.peers[peer].gate.rouse(.wake)
      try schedule.peers[peer].gate.waitUntilIdle()
    }
    let gate = schedule.peers[peer].gate
    gate.open(.slice(contender: contender), buffers: buffers)
    return gate
  }

  /// A slice of the contender with this number among all of them.
  private mutating func slice(_ number: Int, buffers: Int) throws(SliceFailure) -> UInt64 {
    let gate = try begin(number, buffers: buffers / max(1, schedule.contender(number).lanes.count))
    var time: UInt64 = 0
    try lead(number, gate) { () throws(SliceFailure) in time = try schedule.contender(number).runDriver(buffers, gate) }
    return time
  }

  /// The driver's part of a slice that has begun, and its end.
  private func lead(_ number: Int, _ gate: SliceGate, _ body: () throws(SliceFailure) -> Void) throws(SliceFailure) {
    do throws(SliceFailure) {
      try body()
    } catch {
      gate.fail()
      end(number, gate)
      // What failed first is what is told.
      do throws(SliceFailure) { try gate.waitUntilIdle() } catch {}
      throw error
    }
    end(number, gate)
    try gate.waitUntilIdle()
  }

  private func end(_ number: Int, _ gate: SliceGate) {
    gate.endSlice()
    schedule.contender(number).wakeDevice?()
  }

  /// Work per buffer once caches of every kind are warm.
  private mutating func count(_ number: Int) throws(SliceFailure) {
    let contender = schedule.counted[number]
    _ = try slice(number, buffers: contender.countedBuffers)
    let before = contender.work
    let waitsBefore = contender.lockWaits()
    _ = try slice(number, buffers: contender.countedBuffers)
    let done = contender.work - before
    var counters = contender.figures()
    for event in WorkEvent.allCases {
      counters[event.rawValue] = Double(done[event]) / Double(contender.countedBuffers)
    }
    for (lock, waits) in contender.lockWaits() {
      counters[lock] = Double(waits &- waitsBefore[lock, default: 0]) / Double(contender.countedBuffers)
    }
    run.counters[number] = counters
  }

  /// As many buffers as a slice takes, by the fastest of a few short ones.
  package mutating func fill(_ number: Int, nanoseconds: Double) throws(SliceFailure) {
    let contender = schedule.contender(number)
    var buffers = contender.trialBuffers
    var best = Double.infinity
    for _ in 0..<6 {
      let time = Double(try slice(number, buffers: buffers))
      best = min(best, time / Double(buffers))
      if time < nanoseconds / 4 { buffers *= 2 }
    }
    contender.size(nanoseconds, at: best)
  }

  /// Percentiles of single round trips; not part of the timed slices, because reading the counter twice would be.
  private mutating func timeRoundTrips(_ number: Int) throws(SliceFailure) {
    guard schedule.roundTrips > 0, let time = schedule.timed[number].timeRoundTrips else { return }
    var histogram = LatencyHistogram()
    let all = number + schedule.counted.count
    let gate = try begin(all, buffers: 0)
    try lead(all, gate) { () throws(SliceFailure) in
      try time(schedule.roundTrips, gate) { histogram.record(cycles: $0) }
    }
    run.latencies[number] = histogram.summary
  }

  private mutating func takeTurns(_ at: inout String) throws(SliceFailure) {
    let start = schedule.limitsWholeRun ? schedule.start : cring_nanoseconds()
    let end = start &+ UInt64(schedule.timeLimit * 1e9)
    var before = try look()
    var undisturbed = [Int](repeating: 0, count: schedule.timed.count)
    var round = 0
    // The last slice, unless the CPUs did something else since.
    var last: SliceConditions?
    // On a machine that is busy with something else, more rounds until there is something to tell; within limits.
    while round < schedule.rounds
      || round < 3 * schedule.rounds && undisturbed.contains(where: { $0 < Self.fewestUndisturbed })
    {
      defer { round += 1 }
      // At least one, however long its slices are.
      if round > 0 && cring_nanoseconds() > end { return }
      for number in schedule.order(round: round) {
        if Interrupt.isRequested { return }
        if let slice = last, try schedule.tuner?.follow(slice, until: end, &self, &at) == true { before = try look() }
        at = schedule.timed[number].label
        let record = try take(number + schedule.counted.count, as: number, round: round, &before)
        if record.conditions.stolenTicks == 0 && record.conditions.involuntarySwitches == 0 {
          undisturbed[number] += 1
          schedule.timed[number].resize(schedule.sliceNanoseconds, after: record.nanosecondsPerBuffer)
        }
        run.records.append(record)
        last = record.conditions
        schedule.finished.wrappingAdd(1, ordering: .relaxed)
      }
    }
  }

  /// A timed slice of a contender, after what looked at the CPUs `before`, and a look after it.
  package mutating func take(
    _ all: Int, as number: Int, round: Int, _ before: inout CPUState
  ) throws(SliceFailure) -> SliceRecord {
    let contender = schedule.contender(all)
    let setting = schedule.tuner?.tune(contender, roundTrip: before.roundTrip)
    try warm(all)
    let taken = taken()
    let time = try slice(all, buffers: contender.buffersPerSlice)
    let after = try look()
    let conditions = SliceConditions(
      roundTripBefore: before.roundTrip, roundTripAfter: after.roundTrip,
      stolenTicks: after.stolenTicks &- taken.stolenTicks,
      involuntarySwitches: after.involuntarySwitches &- taken.involuntarySwitches)
    before = after
    return SliceRecord(
      contender: number, round: round, nanosecondsPerBuffer: Double(time) / Double(contender.buffersPerSlice),
      conditions: conditions, setting: setting)
  }

  /// Brings a contender's memory where its slices leave it; where that is more than a slice, as far as a slice does.
  private mutating func warm(_ number: Int) throws(SliceFailure) {
    let contender = schedule.contender(number)
    let multiple = contender.batchMultiple
    let whole = (contender.warmingBuffers + multiple - 1) / multiple * multiple
    let buffers = min(whole, contender.buffersPerSlice)
    if buffers > 0 { _ = try slice(number, buffers: buffers) }
  }

  /// Where the two CPUs are now, and what was taken from them so far.
  package func look() throws(SliceFailure) -> CPUState {
    if let source = schedule.source { return source() }
    let peer = schedule.peers[current]
    peer.gate.open(.probe)
    let roundTrip = peer.probe.ping()
    try peer.gate.waitUntilIdle()
    if roundTrip < 0 { peer.probe.reset() }
    var state = taken()
    state.roundTrip = roundTrip
    return state
  }

  /// What was taken from the two CPUs so far, without a look at where they are.
  private func taken() -> CPUState {
    if schedule.source != nil { return CPUState(roundTrip: -1) }
    var stolen: UInt64 = 0
    for cpu in [schedule.driverCPU] + schedule.followers.map(\.cpu) {
      var ticks: UInt64 = 0
      if unsafe cring_stolen_ticks(Int32(cpu), &ticks) == 0 { stolen &+= ticks }
    }
    let switches = schedule.peers.reduce(cring_involuntary_switches()) { $0 &+ $1.gate.switchCount }
    return CPUState(roundTrip: -1, stolenTicks: stolen, involuntarySwitches: switches)
  }
}
