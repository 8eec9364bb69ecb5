import CRing
import Synchronization

/// What both threads of a run share: who takes part, how they are led, and how far they are.
final class SliceSchedule: Sendable {
  /// Run once each, before anything is timed, to count work exactly.
  let counted: [Contender]
  /// Take turns, slice by slice.
  let timed: [Contender]
  /// Those of them that are compared with each other: neighbours in every round, each time in another order.
  let groups: [Range<Int>]
  /// The threads of this process that follow the driver's, and the device in another where there is one.
  let peers: [SlicePeer]
  let rounds: Int
  let sliceNanoseconds: Double
  /// Seconds after which no second or further round begins.
  let timeLimit: Double
  /// The limit counts from here, what is counted and calibrated before the rounds included.
  let limitsWholeRun: Bool
  let start = cring_nanoseconds()
  /// Round trips timed one by one, of contenders that can.
  let roundTrips: Int
  let driverCPU: Int
  let deviceCPU: Int
  /// Threads beside the leader, and where they are pinned: the device of lane 0, then whatever other lanes need.
  let followers: [(role: FollowerRole, cpu: Int)]
  /// Slices finished, for the progress line.
  let finished = Atomic<Int>(0)
  /// What finds the thresholds of the hybrids among the contenders; theirs take no part in the rounds.
  let calibrators: [HybridCalibrator]
  /// What one of them is at, for the progress line.
  let calibrating = Mutex<String?>(nil)
  /// Says where the CPUs are instead of the probes.
  let source: (@Sendable () -> CPUState)?

  init(
    counted: [Contender], timed: [Contender], groups: [Range<Int>], rounds: Int, sliceMilliseconds: Double,
    timeLimit: Double, driverCPU: Int, deviceCPU: Int, roundTrips: Int = 0, limitsWholeRun: Bool = false,
    otherLanes: [(driver: Int, device: Int)] = [], isolated: SlicePeer? = nil,
    source: (@Sendable () -> CPUState)? = nil
  ) throws(BenchError) {
    self.counted = counted
    self.timed = timed
    self.groups = groups
    self.rounds = rounds
    sliceNanoseconds = sliceMilliseconds * 1e6
    self.timeLimit = timeLimit
    self.limitsWholeRun = limitsWholeRun
    self.roundTrips = roundTrips
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
    self.source = source
    calibrators = (counted + timed).reduce(into: []) { calibrators, contender in
      guard let hybrid = contender.hybrid, !calibrators.contains(where: { $0 === hybrid }) else { return }
      calibrators.append(hybrid)
    }
    followers =
      [(.device(lane: 0), deviceCPU)]
      + otherLanes.enumerated().flatMap { (number, cpus) -> [(role: FollowerRole, cpu: Int)] in
        [(.device(lane: number + 1), cpus.device), (.driver(lane: number + 1), cpus.driver)]
      }
    peers = [try SlicePeer(followers: followers.count)] + (isolated.map { [$0] } ?? [])
  }

  /// The timed contenders in the order of a round.
  func order(round: Int) -> [Int] {
    groups.flatMap { group in SliceOrder.of(group.count, round: round).map { group.lowerBound + $0 } }
  }

  /// The peer that serves a contender, and the contender's number there.
  func seat(_ number: Int) -> (peer: Int, contender: Int) {
    contender(number).isolatedQueue.map { (1, $0) } ?? (0, number)
  }

  /// Contenders by the number the gate carries: counted ones first, those of the calibrators last.
  func contender(_ number: Int) -> Contender {
    if number < counted.count { return counted[number] }
    var place = number - counted.count
    if place < timed.count { return timed[place] }
    place -= timed.count
    for calibrator in calibrators {
      if place < calibrator.contenders.count { return calibrator.contenders[place] }
      place -= calibrator.contenders.count
    }
    preconditionFailure("a gate carries the number of a contender")
  }

  /// The number of a calibrator's first contender.
  func first(of calibrator: Int) -> Int {
    calibrators[..<calibrator].reduce(counted.count + timed.count) { $0 + $1.contenders.count }
  }

  /// Everybody who takes part.
  var contenders: [Contender] { counted + timed + calibrators.flatMap(\.contenders) }
}
