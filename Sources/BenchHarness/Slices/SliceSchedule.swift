import CRing
import Synchronization

/// What both threads of a run share: the cases, how they are led, and how far they are.
package final class SliceSchedule: Sendable {
  /// Run once each, before anything is timed, to count work exactly.
  let counted: [BenchCase]
  /// Take turns, slice by slice.
  let timed: [BenchCase]
  /// Those of them that are compared with each other: neighbours in every round, each time in another order.
  let groups: [Range<Int>]
  /// The threads of this process that follow the driver's, and the device in another where there is one.
  let peers: [SlicePeer]
  let rounds: Int
  let sliceNanoseconds: Double
  /// When the run is over, what is counted and calibrated before the rounds included.
  let deadline: UInt64
  /// Round trips timed one by one, of cases that can.
  let roundTrips: Int
  let driverCPU: Int
  let deviceCPU: Int
  /// Threads beside the driver worker, and where they are pinned: the device of queue 0, then whatever other queues
  /// need.
  let workers: [(role: WorkerRole, cpu: Int)]
  /// Slices finished, and those there will be by now, for the progress line.
  let finished = Atomic<Int>(0)
  let planned = Atomic<Int>(0)
  /// What sets some of the cases for where the CPUs are.
  let tuner: (any SliceTuner)?
  /// What it is doing, for the progress line.
  package let tuning = Mutex<String?>(nil)
  /// Says where the CPUs are instead of the probes.
  let source: (@Sendable () -> CPUState)?

  /// `timeLimit`: seconds, which count from `began`.
  package init(
    counted: [BenchCase], timed: [BenchCase], groups: [Range<Int>], rounds: Int, sliceMilliseconds: Double,
    timeLimit: Double, began: UInt64 = cring_nanoseconds(), driverCPU: Int, deviceCPU: Int, roundTrips: Int = 0,
    otherQueues: [(driver: Int, device: Int)] = [], isolated: SlicePeer? = nil,
    tuner: (any SliceTuner)? = nil, source: (@Sendable () -> CPUState)? = nil
  ) throws(BenchError) {
    self.counted = counted
    self.timed = timed
    self.groups = groups
    self.rounds = rounds
    sliceNanoseconds = sliceMilliseconds * 1e6
    // A year is as good as none, and no overflow.
    deadline = began &+ UInt64(min(timeLimit, 3e7) * 1e9)
    self.roundTrips = roundTrips
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
    self.source = source
    self.tuner = tuner
    workers =
      [(.device(queue: 0), deviceCPU)]
      + otherQueues.enumerated().flatMap { (number, cpus) -> [(role: WorkerRole, cpu: Int)] in
        [(.device(queue: number + 1), cpus.device), (.driver(queue: number + 1), cpus.driver)]
      }
    peers = [try SlicePeer(workers: workers.count)] + (isolated.map { [$0] } ?? [])
  }

  /// The timed cases in the order of a round.
  func order(round: Int) -> [Int] {
    groups.flatMap { group in SliceOrder.of(group.count, round: round).map { group.lowerBound + $0 } }
  }

  /// The peer that serves a case, and the case's number there.
  func attachment(_ number: Int) -> (peer: Int, benchCase: Int) {
    benchCase(number).isolatedQueue.map { (1, $0) } ?? (0, number)
  }

  /// Cases by the number the barrier carries: counted ones first, those of the tuner last.
  func benchCase(_ number: Int) -> BenchCase {
    if number < counted.count { return counted[number] }
    let index = number - counted.count
    if index < timed.count { return timed[index] }
    guard let tuner else { preconditionFailure("a barrier carries the number of a case") }
    return tuner.cases[index - timed.count]
  }

  /// The number of the tuner's first case.
  package var firstTuned: Int { counted.count + timed.count }

  /// All that take part.
  var cases: [BenchCase] { counted + timed + (tuner?.cases ?? []) }
}

/// What sets cases of a run for where the CPUs are: a component of its own, of which the schedule knows only this.
///
/// Its state belongs to the leading thread while a run lasts. Cases that it measures itself take no part in the
/// rounds; their numbers begin at ``SliceSchedule/firstTuned``.
package protocol SliceTuner: AnyObject, Sendable {
  /// Cases of its own.
  var cases: [BenchCase] { get }

  /// Finds settings where the CPUs are now, before anything else is measured, until the driver worker's time for it is
  /// up.
  func prepare(_ driverWorker: inout DriverWorker, _ at: inout String) throws(SliceFailure)

  /// Why a case has no setting and is left out; `nil` when it has one, or needs none.
  func refusal(_ benchCase: BenchCase) -> String?

  /// Sets a case for where the CPUs are; returns the number of the setting, `nil` for one that is not tuned.
  func tune(_ benchCase: BenchCase, roundTrip: Double) -> Int?

  /// Finds a setting for where the CPUs were during a slice, if there is none; returns whether it used the CPUs.
  func follow(
    _ slice: SliceConditions, until end: UInt64, _ driverWorker: inout DriverWorker, _ at: inout String
  ) throws(SliceFailure) -> Bool
}

/// In what order those that are compared take their turns.
///
/// A slice starts with the caches of the one before. Balanced for that: within as many rounds as there are cases,
/// or twice as many where their number is odd, each is first equally often, and each comes directly behind each of the
/// others equally often (E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
/// treatments", Australian Journal of Scientific Research A2, 1949). Taking turns in a circle would always put the same
/// one behind the same.
enum SliceOrder {
  /// The order of `count` cases in a round: numbers below `count`, each once.
  static func of(_ count: Int, round: Int) -> [Int] {
    // 0, 1, n - 1, 2, n - 2 …: from step to step every difference once.
    let order = (0..<count).map { index in
      let step = index % 2 == 1 ? (index + 1) / 2 : count - index / 2
      return (step + round) % count
    }
    return count % 2 == 1 && round / count % 2 == 1 ? order.reversed() : order
  }
}
