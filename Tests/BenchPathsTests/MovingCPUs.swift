import RingIOMMU
import RingKit
import Synchronization

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

/// CPUs that move between placements as a test says, cases that cost accordingly, and hybrids calibrated by those.
///
/// Everything runs as in a measurement, but for the probes and the clock.
final class MovingCPUs: Sendable {
  static let sizes = [256, 512, 1024]

  /// Nanoseconds of a round trip.
  private let trip = Atomic<Int>(100)
  private let hybrids = Atomic<Int>(0)
  private let slices = Atomic<Int>(0)
  private let asked = Mutex<[Int]>([])
  private let thresholds = Mutex<[UInt32]>([])
  /// The round trip after each slice of the hybrids, of which the first is number 1.
  private let path: @Sendable (_ slice: Int) -> Int
  /// Slices of the calibrator after which CPUs that are far apart come together.
  private let stay: Int

  // Each case runs so often before its slices are as long as they should be.
  private var trials: Int { 6 * hybrids.load(ordering: .relaxed) }

  init(stay: Int = .max, path: @escaping @Sendable (_ slice: Int) -> Int) {
    self.path = path
    self.stay = stay
  }

  /// Round trips at which the calibrator's cases ran slices, in turn.
  var calibrated: [Int] { asked.withLock { $0 } }
  /// The thresholds that hybrids' slices ran with, in turn.
  var used: [UInt32] { thresholds.withLock { Array($0.dropFirst(trials)) } }

  /// What every look says from now on, until a hybrid's slice moves the CPUs.
  func answers(_ roundTrip: Int) { trip.store(roundTrip, ordering: .relaxed) }

  /// What a map costs: where the CPUs are far apart, more.
  private func map(_ trip: Int) -> Int { trip < 224 ? 400 : 700 }

  func calibrator(seconds: Double = 3600) -> HybridCalibrator {
    let keys = Self.sizes.flatMap { bytes in
      [DMAPath.shadow, .iommuStrict].map {
        CostKey(ring: .split, path: $0, direction: .deviceWritable, bytes: bytes)
      }
    }
    let cases = keys.map { key in
      benchCase(key.label) { [self] in
        let now = trip.load(ordering: .relaxed)
        let far = asked.withLock { asked in
          asked.append(now)
          return asked.count { $0 >= 224 }
        }
        if far > 0 && far.isMultiple(of: stay) { trip.store(100, ordering: .relaxed) }
        return key.path == .shadow ? key.bytes : map(now)
      }
    }
    return HybridCalibrator(ring: .split, keys: keys, cases: cases, seconds: seconds) {
      PlacementClassifier(
        pair: CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true), underHypervisor: true,
        roundTrips: $0)
    }
  }

  /// A hybrid that costs whatever, and moves the CPUs after each of its slices.
  func hybrid(_ calibrator: HybridCalibrator) -> BenchCase {
    hybrids.wrappingAdd(1, ordering: .relaxed)
    let hybrid = benchCase("hybrid") { [self] in
      thresholds.withLock { $0.append(calibrator.control.threshold.deviceWritable) }
      let slice = slices.wrappingAdd(1, ordering: .relaxed).newValue - trials
      if slice > 0 { trip.store(path(slice), ordering: .relaxed) }
      return 500
    }
    hybrid.tuner = calibrator
    return hybrid
  }

  private func benchCase(_ label: String, cost: @escaping () -> Int) -> BenchCase {
    BenchCase(
      label, DriverEnd { count, _ throws(SliceFailure) in UInt64(cost() * count) },
      DeviceEnd { barrier throws(SliceFailure) in while !barrier.isSliceOver {} })
  }

  /// What a run brought back, and what its tuner found.
  struct Run {
    let slices: SliceRun
    let hybrid: HybridOutcome
  }

  /// Lets hybrids of one calibrator take so many turns.
  func run(_ cases: [BenchCase], rounds: Int, timeLimit: Double = 3600) throws -> Run {
    let cpus = Machine.read().cpus
    let tuner = HybridTuner(cases.prefix(1).compactMap { $0.tuner as? HybridCalibrator })
    let schedule = try SliceSchedule(
      counted: [], timed: cases, groups: [0..<cases.count], rounds: rounds, sliceMilliseconds: 0.1,
      timeLimit: timeLimit, driverCPU: cpus[0], deviceCPU: cpus[cpus.count - 1], tuner: tuner,
      source: { [self] in CPUState(roundTrip: Double(trip.load(ordering: .relaxed))) })
    let slices = try SliceSession(schedule).run(progress: Progress())
    return Run(slices: slices, hybrid: tuner.outcome)
  }
}
