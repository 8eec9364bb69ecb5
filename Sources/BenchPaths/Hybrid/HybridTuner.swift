import BenchPlan
import CRing
import RingIOMMU
import RingKit
import Synchronization

/// Sets hybrids for where the CPUs are, and finds thresholds for placements that come up while a run goes on.
package final class HybridTuner: SliceTuner, @unchecked Sendable {
  package let cases: [BenchCase]
  private let calibrators: [HybridCalibrator]
  /// What was found; the leading thread's while a run lasts.
  package private(set) var outcome = HybridOutcome()

  init(_ calibrators: [HybridCalibrator]) {
    self.calibrators = calibrators
    cases = calibrators.flatMap(\.cases)
  }

  package func prepare(_ driverWorker: inout DriverWorker, _ at: inout String) throws(SliceFailure) {
    for (number, hybrid) in calibrators.enumerated() {
      at = hybrid.title(nil)
      let placement = hybrid.placement(of: try driverWorker.look().roundTrip, outcome.findings)
      show(hybrid.title(placement), driverWorker)
      defer { show(nil, driverWorker) }
      for benchCase in hybrid.cases.indices {
        if driverWorker.isOver { return }
        try driverWorker.fill(
          first(of: number, driverWorker) + benchCase, nanoseconds: HybridCalibrator.sliceNanoseconds)
      }
      try takeRounds(of: number, &driverWorker, until: cring_nanoseconds() &+ hybrid.patience)
      let found = hybrid.firstFindings()
      // What is counted goes by the first, wherever the CPUs are then.
      if let first = found.first { hybrid.control.threshold = first.calibration.threshold }
      outcome.findings += found
    }
  }

  package func refusal(_ benchCase: BenchCase) -> String? {
    guard let hybrid = benchCase.tuner as? HybridCalibrator,
      !outcome.findings.contains(where: { $0.ring == hybrid.ring })
    else { return nil }
    return hybrid.refusal
  }

  package func tune(_ benchCase: BenchCase, roundTrip: Double) -> Int? {
    guard let hybrid = benchCase.tuner as? HybridCalibrator,
      let number = HybridFinding.nearest(outcome.findings, hybrid.ring, to: roundTrip)
    else { return nil }
    hybrid.control.threshold = outcome.findings[number].calibration.threshold
    return number
  }

  package func follow(
    _ slice: SliceConditions, until end: UInt64, _ driverWorker: inout DriverWorker, _ at: inout String
  ) throws(SliceFailure) -> Bool {
    var wasBusy = false
    for (number, hybrid) in calibrators.enumerated() {
      guard let placement = hybrid.unknownPlacement(slice, outcome.findings) else { continue }
      let start = cring_nanoseconds()
      // Half of it: a threshold is of use only if hybrid has slices left to run with it.
      let left = (end &- min(start, end)) / 2
      var gap = HybridGap(ring: hybrid.ring, placement: placement, roundTrip: slice.roundTrip, reason: .passing)
      guard hybrid.budget(placement) > 0 else { continue }
      // What it takes to size the slices is a round or so.
      guard left / UInt64(HybridCalibrator.fewestPairs + 1) >= hybrid.roundNanoseconds else {
        gap.reason = .noTime
        outcome.add(gap)
        continue
      }
      at = hybrid.title(placement)
      show(at, driverWorker)
      defer { show(nil, driverWorker) }
      if try size(number, &driverWorker, in: placement, atMost: start &+ left) {
        try takeRounds(
          of: number, &driverWorker, in: placement, until: start &+ hybrid.budget(placement), atMost: start &+ left)
      }
      let now = cring_nanoseconds()
      hybrid.spend(now &- start, on: placement)
      if now >= start &+ left { gap.reason = .noTime }
      wasBusy = true
      if let finding = hybrid.laterFinding(placement) { outcome.add(finding) } else { outcome.add(gap) }
    }
    return wasBusy
  }

  private func show(_ text: String?, _ driverWorker: DriverWorker) {
    driverWorker.schedule.tuning.withLock { $0 = text }
  }

  /// The number of a calibrator's first case.
  private func first(of calibrator: Int, _ driverWorker: DriverWorker) -> Int {
    calibrators[..<calibrator].reduce(driverWorker.schedule.firstTuned) { $0 + $1.cases.count }
  }

  /// Has a calibrator's slices as long as they should be in a placement; false when the CPUs left it, or at the limit.
  private func size(
    _ number: Int, _ driverWorker: inout DriverWorker, in placement: PlacementClass, atMost limit: UInt64
  ) throws(SliceFailure) -> Bool {
    let hybrid = calibrators[number]
    for benchCase in hybrid.unsized(placement) {
      if driverWorker.isOver || cring_nanoseconds() > limit { return false }
      try driverWorker.fill(first(of: number, driverWorker) + benchCase, nanoseconds: HybridCalibrator.sliceNanoseconds)
      guard hybrid.placement(of: try driverWorker.look().roundTrip, outcome.findings) == placement else { return false }
      hybrid.keepSize(benchCase, placement)
    }
    hybrid.useSizes(placement)
    return true
  }

  /// Rounds of a calibrator's cases: enough of them, then as many as are of use until `end`; none beyond `limit`.
  ///
  /// With a placement it is over as soon as the CPUs leave it.
  private func takeRounds(
    of number: Int, _ driverWorker: inout DriverWorker, in placement: PlacementClass? = nil, until end: UInt64,
    atMost limit: UInt64 = .max
  ) throws(SliceFailure) {
    let hybrid = calibrators[number]
    var before = try driverWorker.look()
    for round in 0..<HybridCalibrator.mostRounds {
      let start = cring_nanoseconds()
      // Disturbed slices of a class that came later do not count, so it may take longer than it should.
      let isEnough = placement.map { hybrid.laterFinding($0) != nil } ?? true
      if round >= HybridCalibrator.fewestPairs && start > end && isEnough { return }
      for benchCase in hybrid.order {
        let isElsewhere = placement != nil && hybrid.placement(of: before.roundTrip, outcome.findings) != placement
        guard !driverWorker.isOver, !isElsewhere, cring_nanoseconds() <= limit,
          let record = try driverWorker.take(
            first(of: number, driverWorker) + benchCase, as: benchCase, round: hybrid.round, &before)
        else {
          hybrid.endRound(nil)
          return
        }
        hybrid.add(record)
      }
      hybrid.endRound(cring_nanoseconds() &- start)
    }
  }
}
