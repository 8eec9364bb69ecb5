import CRing
import RingKit

/// The driver's end of a queue with its loop, behind closures that know its type.
///
/// The closures are where the concrete types end: each is compiled for one queue type, so that a slice is one dynamic
/// call and everything inside it is static. All of them are called on the driver's thread.
package struct DriverEnd {
  /// Sends that many buffers round; returns nanoseconds.
  package var run: (_ count: Int, _ barrier: SliceBarrier) throws(SliceFailure) -> UInt64
  /// What the end did so far; read while it does not run.
  var work: () -> WorkCounts
  /// The same a turn at a time, for a thread that has several queues to look after; `nil` of what has no turns.
  package var turns: DriverTurns?
  /// With one buffer outstanding: sends that many round and tells the cycles each was away.
  package var timeRoundTrips:
    ((_ count: Int, _ barrier: SliceBarrier, _ record: (UInt64) -> Void) throws(SliceFailure) -> Void)?
  /// Adds a batch, and takes it back, with the device's end on the same thread; `nil` of what has no ring.
  package var batch: (add: () throws(SliceFailure) -> Void, reclaim: () throws(SliceFailure) -> Void)?
  /// Abandons what is in flight; returns how many buffers that were.
  package var abandon: () -> Int = { 0 }

  package init(
    run: @escaping (_ count: Int, _ barrier: SliceBarrier) throws(SliceFailure) -> UInt64,
    work: @escaping () -> WorkCounts = { WorkCounts() }
  ) {
    self.run = run
    self.work = work
  }
}

/// The driver's end of one queue a turn at a time.
package struct DriverTurns {
  /// So many more buffers are to come back.
  let begin: (_ count: Int) -> Void
  /// Takes back what is there and tops the ring up; returns how many came back.
  let turn: () throws(SliceFailure) -> Int
  /// Does what is due although nothing came back.
  let poll: () throws(SliceFailure) -> Void

  package init(
    begin: @escaping (_ count: Int) -> Void, turn: @escaping () throws(SliceFailure) -> Int,
    poll: @escaping () throws(SliceFailure) -> Void
  ) {
    self.begin = begin
    self.turn = turn
    self.poll = poll
  }
}

/// The device's end, as ``DriverEnd`` is the driver's; called on the device's thread.
package struct DeviceEnd {
  /// Serves until the driver ends the slice.
  package var run: (_ barrier: SliceBarrier) throws(SliceFailure) -> Void
  package var work: () -> WorkCounts
  /// Serves a batch, and the IOMMU; returns how many buffers there were.
  ///
  /// `nil` of what has no turns.
  package var turn: (() throws(SliceFailure) -> Int)?
  /// Serves a batch without a look at the payload, on the driver's thread.
  package var batch: (() throws(SliceFailure) -> Void)?

  package init(
    run: @escaping (_ barrier: SliceBarrier) throws(SliceFailure) -> Void = { _ in },
    work: @escaping () -> WorkCounts = { WorkCounts() }
  ) {
    self.run = run
    self.work = work
  }
}

/// One combination that takes its turn, with both ends set up: a ring over a path, or a floor.
package final class BenchCase: @unchecked Sendable {
  /// What it is, for an error message.
  package let label: String
  /// Figures of the path's own, by their names in the JSON.
  let figures: () -> [String: Double]
  /// Buffers of a slice, set by calibration.
  package var buffersPerSlice = 0
  /// Buffers of the first slice of the calibration, and of a slice whose work is counted: fewer where each is large.
  package var trialBuffers = 1024
  package var countedBuffers = DriverWorker.countedBuffers
  /// Buffers that go round before a slice is timed: as many as there are in its memory, so that no slice pays for where
  /// the slice before it, of another path, left them.
  package var warmingBuffers = 0
  /// Buffers that go round at once before their cost is known; what is slow takes few.
  package var firstStep = Int.max
  /// Every number of buffers is a multiple of this.
  package var granule: Int
  /// Nanoseconds of a buffer when it was last sized; 0 before.
  private(set) var cost = 0.0
  /// Both ends on the calling thread, for that many rounds; the minimum of nanoseconds a round's parts took.
  package var runOnOneThread: (_ rounds: Int) throws(SliceFailure) -> SingleThreadTimes
  /// Wakes a device end that sleeps, to let it see that the slice is over.
  package var wakeDevice: (() -> Void)?
  /// The queue's number at a device in another process; `nil` when the device is a thread of this one.
  package var isolatedQueue: Int?
  /// Ends the waiting for a device in another process.
  package var leaveDevice: (() -> Void)?
  /// What sets it for where the CPUs are, where the run has such a tuner; see ``SliceTuner``.
  package var tuner: AnyObject?
  /// Its queues, where there are several; each is led by a thread of its own or takes turns with the others.
  let queues: [BenchCase]
  /// Waits for locks that its queues share, so far and by their names in the JSON; read while neither end runs.
  let lockWaits: () -> [String: UInt64]

  private var driver: DriverEnd?
  private var device: DeviceEnd?

  package init(
    _ label: String, _ driver: DriverEnd, _ device: DeviceEnd, queues: [BenchCase] = [],
    figures: @escaping () -> [String: Double] = { [:] }, lockWaits: @escaping () -> [String: UInt64] = { [:] }
  ) {
    self.label = label
    self.driver = driver
    self.device = device
    self.queues = queues
    self.figures = figures
    self.lockWaits = lockWaits
    granule = max(1, queues.count)
    runOnOneThread = { rounds throws(SliceFailure) in
      guard let add = driver.batch?.add, let serve = device.batch, let reclaim = driver.batch?.reclaim else {
        throw .other
      }
      return try SingleThreadTimes.runRounds(rounds, add: add, serve: serve, reclaim: reclaim)
    }
  }

  /// Slices are a multiple of this many buffers.
  package var batchMultiple: Int { 128 * max(1, queues.count) }

  /// What both ends did so far; read while neither runs.
  package var work: WorkCounts {
    let done = queues.map(\.work).reduce(WorkCounts(), +)
    return [driver?.work(), device?.work()].reduce(done) { $0 + ($1 ?? WorkCounts()) }
  }

  var timeRoundTrips:
    ((_ count: Int, _ barrier: SliceBarrier, _ record: (UInt64) -> Void) throws(SliceFailure) -> Void)?
  { driver?.timeRoundTrips }

  var driverTurns: DriverTurns? { driver?.turns }
  var turnDevice: (() throws(SliceFailure) -> Int)? { device?.turn }

  /// Driver's thread: sends that many buffers round; returns nanoseconds.
  func runDriver(_ count: Int, _ barrier: SliceBarrier) throws(SliceFailure) -> UInt64 {
    guard let driver else { throw .other }
    return try driver.run(count, barrier)
  }

  /// Device's thread: serves until the driver ends the slice.
  func runDevice(_ barrier: SliceBarrier) throws(SliceFailure) {
    guard let device else { throw .other }
    try device.run(barrier)
  }

  /// Lets go of the queue ends, once both threads are gone.
  ///
  /// The device's first: a driver that unmaps at its end would wait for an IOMMU that no thread serves.
  package func close() {
    closeDevice()
    closeDriver()
  }

  /// The queue that a thread of its own leads.
  func queue(_ number: Int) -> BenchCase { queues.isEmpty ? self : queues[number] }

  /// Whether that thread has a queue here: a single one is the first's alone.
  func hasQueue(_ number: Int) -> Bool { number < max(1, queues.count) }

  private func closeDevice() {
    for queue in queues { queue.closeDevice() }
    // Holds both ends: which of them it releases first is not defined.
    runOnOneThread = { _ throws(SliceFailure) in throw .other }
    device = nil
    leaveDevice?()
    leaveDevice = nil
  }

  private func closeDriver() {
    for queue in queues { queue.closeDriver() }
    driver = nil
  }
}

extension BenchCase {
  /// Nanoseconds that a run may go on before it looks whether it was asked to end.
  static let stepNanoseconds = 20e6

  /// As many buffers to a slice as it takes, when one costs so much.
  ///
  /// Whole batches, and one at least unless it would take `longest`.
  func size(_ nanoseconds: Double, at nanosecondsPerBuffer: Double, longest: Double = stepNanoseconds) {
    cost = nanosecondsPerBuffer
    let wanted = nanoseconds / max(cost, 1)
    if wanted >= Double(batchMultiple) || Double(batchMultiple) * cost <= longest {
      buffersPerSlice = max(batchMultiple, Int(wanted) / batchMultiple * batchMultiple)
    } else {
      buffersPerSlice = max(granule, Int(wanted) / granule * granule)
    }
  }

  /// How many of so many buffers go round at once.
  func step(of buffers: Int) -> Int {
    let most = cost > 0 ? Int(Self.stepNanoseconds / max(cost, 1)) : firstStep
    guard buffers > most else { return buffers }
    let multiple = most >= batchMultiple ? batchMultiple : granule
    return min(buffers, max(multiple, most / multiple * multiple))
  }

  /// The same after a slice that took less than half as long as it should, or more than twice.
  ///
  /// CPUs that move pay several times as much for a buffer in one placement as in another. A slice sized elsewhere is
  /// then over before the ring and the caches are as they stay, or takes the time of others.
  func resize(_ nanoseconds: Double, after nanosecondsPerBuffer: Double, longest: Double = stepNanoseconds) {
    let taken = nanosecondsPerBuffer * Double(buffersPerSlice)
    if taken < nanoseconds / 2 || taken > 2 * nanoseconds {
      size(nanoseconds, at: nanosecondsPerBuffer, longest: longest)
    }
  }
}

/// What the three parts of a round took on one thread: the minimum over all rounds, in nanoseconds.
package struct SingleThreadTimes: Sendable {
  package var add = Double.infinity
  package var serve = Double.infinity
  package var reclaim = Double.infinity

  package init(add: Double = .infinity, serve: Double = .infinity, reclaim: Double = .infinity) {
    self.add = add
    self.serve = serve
    self.reclaim = reclaim
  }

  /// Batches through a ring, both ends on this thread: what an instruction counter can look at.
  @inline(never)
  static func runRounds(
    _ rounds: Int, add: () throws(SliceFailure) -> Void, serve: () throws(SliceFailure) -> Void,
    reclaim: () throws(SliceFailure) -> Void
  ) throws(SliceFailure) -> SingleThreadTimes {
    var best = SingleThreadTimes()
    for _ in 0..<rounds {
      let start = cring_nanoseconds()
      try add()
      let added = cring_nanoseconds()
      try serve()
      let served = cring_nanoseconds()
      try reclaim()
      best.add = min(best.add, Double(added &- start))
      best.serve = min(best.serve, Double(served &- added))
      best.reclaim = min(best.reclaim, Double(cring_nanoseconds() &- served))
    }
    return best
  }
}
