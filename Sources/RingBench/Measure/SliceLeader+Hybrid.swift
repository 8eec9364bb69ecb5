import CRing
import RingKit
import Synchronization

extension SliceLeader {
  /// Finds the thresholds of hybrids where the CPUs are now, before anything else is measured.
  mutating func calibrateHybrids(_ at: inout String) throws(SliceFailure) {
    for (number, hybrid) in schedule.calibrators.enumerated() {
      at = hybrid.title(nil)
      let placement = hybrid.placement(of: try look().roundTrip, run.hybrid.findings)
      schedule.calibrating.withLock { $0 = hybrid.title(placement) }
      defer { schedule.calibrating.withLock { $0 = nil } }
      let first = schedule.first(of: number)
      for contender in hybrid.contenders.indices {
        if Interrupt.isRequested { return }
        try fill(first + contender, nanoseconds: HybridCalibrator.sliceNanoseconds)
      }
      try takeRounds(of: number, until: cring_nanoseconds() &+ hybrid.patience)
      let found = hybrid.firstFindings()
      if found.isEmpty && !Interrupt.isRequested {
        run.refusal = hybrid.refusal
        return
      }
      // What is counted goes by the first, wherever the CPUs are then.
      if let first = found.first { hybrid.control.threshold = first.calibration.threshold }
      run.hybrid.findings += found
    }
  }

  /// Finds them again where a slice was settled in a placement for which there is nothing yet, if time is left.
  ///
  /// Returns whether the CPUs were kept busy with that.
  mutating func recalibrateHybrids(
    after slice: SliceConditions, until end: UInt64, _ at: inout String
  ) throws(SliceFailure) -> Bool {
    var wasBusy = false
    for (number, hybrid) in schedule.calibrators.enumerated() {
      guard let placement = hybrid.unknownPlacement(slice, run.hybrid.findings) else { continue }
      let start = cring_nanoseconds()
      // Half of it: a threshold is of use only if hybrid has slices left to run with it.
      let left = (end &- min(start, end)) / 2
      var gap = HybridGap(ring: hybrid.ring, placement: placement, roundTrip: slice.roundTrip, reason: .passing)
      guard hybrid.budget(placement) > 0 else { continue }
      // What it takes to size the slices is a round or so.
      guard left / UInt64(HybridCalibrator.fewestPairs + 1) >= hybrid.roundNanoseconds else {
        gap.reason = .noTime
        run.hybrid.add(gap)
        continue
      }
      at = hybrid.title(placement)
      schedule.calibrating.withLock { $0 = hybrid.title(placement) }
      defer { schedule.calibrating.withLock { $0 = nil } }
      if try size(number, in: placement, atMost: start &+ left) {
        try takeRounds(of: number, in: placement, until: start &+ hybrid.budget(placement), atMost: start &+ left)
      }
      let now = cring_nanoseconds()
      hybrid.spend(now &- start, on: placement)
      if now >= start &+ left { gap.reason = .noTime }
      wasBusy = true
      if let finding = hybrid.laterFinding(placement) { run.hybrid.add(finding) } else { run.hybrid.add(gap) }
    }
    return wasBusy
  }

  /// Has a hybrid go by the finding that was made closest to where the CPUs are; returns its number.
  func follow(_ contender: Contender, _ roundTrip: Double) -> Int? {
    guard let hybrid = contender.hybrid,
      let number = HybridFinding.nearest(run.hybrid.findings, hybrid.ring, to: roundTrip)
    else { return nil }
    hybrid.control.threshold = run.hybrid.findings[number].calibration.threshold
    return number
  }

  /// Has a calibrator's slices as long as they should be in a placement; false when the CPUs left it, or at the limit.
  private mutating func size(
    _ number: Int, in placement: PlacementClass, atMost limit: UInt64
  ) throws(SliceFailure) -> Bool {
    let hybrid = schedule.calibrators[number]
    for contender in hybrid.unsized(placement) {
      if Interrupt.isRequested || cring_nanoseconds() > limit { return false }
      try fill(schedule.first(of: number) + contender, nanoseconds: HybridCalibrator.sliceNanoseconds)
      guard hybrid.placement(of: try look().roundTrip, run.hybrid.findings) == placement else { return false }
      hybrid.keepSize(contender, placement)
    }
    hybrid.useSizes(placement)
    return true
  }

  /// Rounds of a calibrator's contenders: enough of them, then as many as are of use until `end`; none beyond `limit`.
  ///
  /// With a placement it is over as soon as the CPUs leave it.
  private mutating func takeRounds(
    of number: Int, in placement: PlacementClass? = nil, until end: UInt64, atMost limit: UInt64 = .max
  ) throws(SliceFailure) {
    let hybrid = schedule.calibrators[number]
    var before = try look()
    for round in 0..<HybridCalibrator.mostRounds {
      let start = cring_nanoseconds()
      // Disturbed slices of a class that came later do not count, so it may take longer than it should.
      let isEnough = placement.map { hybrid.laterFinding($0) != nil } ?? true
      if round >= HybridCalibrator.fewestPairs && start > end && isEnough { return }
      for contender in hybrid.order {
        let isElsewhere = placement != nil && hybrid.placement(of: before.roundTrip, run.hybrid.findings) != placement
        if Interrupt.isRequested || isElsewhere || cring_nanoseconds() > limit {
          hybrid.endRound(nil)
          return
        }
        hybrid.add(try take(schedule.first(of: number) + contender, as: contender, round: hybrid.round, &before))
      }
      hybrid.endRound(cring_nanoseconds() &- start)
    }
  }
}
