import CRing
import Synchronization

/// What both threads of a run share: who takes part, how they are led, and how far they are.
final class SliceSchedule: Sendable {
  /// Run once each, before anything is timed, to count work exactly.
  let counted: [Contender]
  /// Take turns, slice by slice.
  let timed: [Contender]
  /// Those of them that are compared with each other: neighbours in every round, each time in another order, so that none
  /// always finds the caches as the same one left them.
  let groups: [Range<Int>]
  /// The threads of this process that follow the driver's, and the device in another where there is one.
  let peers: [SlicePeer]
  let rounds: Int
  let sliceNanoseconds: Double
  /// Seconds after which no further round begins, once there were ``fewestRounds``.
  let timeLimit: Double
  /// One at least: whoever asked for a long slice gets it.
  let fewestRounds: Int
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

  /// Slices are a multiple of this many buffers.
  let batchMultiple: Int

  init(
    counted: [Contender], timed: [Contender], groups: [Range<Int>], rounds: Int, sliceMilliseconds: Double,
    timeLimit: Double, fewestRounds: Int = 1,
    driverCPU: Int, deviceCPU: Int, roundTrips: Int = 0, limitsWholeRun: Bool = false, queues: Int = 1,
    otherLanes: [(driver: Int, device: Int)] = [], isolated: SlicePeer? = nil
  ) throws(BenchError) {
    self.counted = counted
    self.timed = timed
    self.groups = groups
    self.rounds = rounds
    sliceNanoseconds = sliceMilliseconds * 1e6
    self.timeLimit = timeLimit
    self.fewestRounds = fewestRounds
    self.limitsWholeRun = limitsWholeRun
    self.roundTrips = roundTrips
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
    batchMultiple = 128 * queues
    followers =
      [(.device(lane: 0), deviceCPU)]
      + otherLanes.enumerated().flatMap { (number, cpus) -> [(role: FollowerRole, cpu: Int)] in
        [(.device(lane: number + 1), cpus.device), (.driver(lane: number + 1), cpus.driver)]
      }
    peers = [try SlicePeer(followers: followers.count)] + (isolated.map { [$0] } ?? [])
  }

  /// The timed contenders in the order of a round.
  func order(round: Int) -> [Int] {
    groups.flatMap { group in group.indices.map { group.lowerBound + ($0 - group.lowerBound + round) % group.count } }
  }

  /// The peer that serves a contender, and the contender's number there.
  func seat(_ number: Int) -> (peer: Int, contender: Int) {
    contender(number).isolatedQueue.map { (1, $0) } ?? (0, number)
  }

  /// Contenders by the number the gate carries: counted ones first.
  func contender(_ number: Int) -> Contender {
    number < counted.count ? counted[number] : timed[number - counted.count]
  }
}
