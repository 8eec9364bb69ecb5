import BenchHarness
import BenchPaths

/// A run seen in the one class that a shape is told for.
package struct ShapeRun: Sendable {
  package let paired: PairedRun
  package let placement: PlacementClass?

  package init(paired: PairedRun, placement: PlacementClass?) {
    self.paired = paired
    self.placement = placement
  }

  package func time(_ contender: Int) -> Estimate? { placement.flatMap { paired.time(contender, $0) } }

  /// One contender's time by another's: slice by slice of the same round, or, where too few rounds kept both, of all.
  package func ratio(_ contender: Int, to baseline: Int) -> Estimate? {
    if let ratio = placement.flatMap({ paired.ratio(contender, to: baseline, $0) }) { return ratio }
    guard let (time, base) = both(contender, baseline) else { return nil }
    return Estimate(median: time.median / base.median, low: time.low / base.high, high: time.high / base.low)
  }

  private func both(_ contender: Int, _ baseline: Int) -> (Estimate, Estimate)? {
    guard let time = self.time(contender), let base = self.time(baseline), base.low > 0 else { return nil }
    return (time, base)
  }

  /// By how many nanoseconds one is dearer than another, slice by slice of the same round.
  package func difference(_ contender: Int, from baseline: Int, seed: UInt64) -> Estimate? {
    guard let placement else { return nil }
    let pairs = paired.sorter.pairs(contender, with: baseline, placement)
    guard pairs.count >= PairedRun.fewestSlices else {
      return both(contender, baseline).map { time, base in
        Estimate(median: time.median - base.median, low: time.low - base.high, high: time.high - base.low)
      }
    }
    return BootstrapInterval.median(of: pairs.map { $0.numerator - $0.denominator }, seed: seed)
  }

  /// What a path that maps costs beside the mapping: the walk of the device.
  ///
  /// Page-table entries share a line by eight, the walk fetches it and the driver fetches it back to clear them.
  package func walk(_ path: DMAPath) -> Double {
    guard path.maps, let roundTrip = conditions.roundTrip else { return 0 }
    return roundTrip / 8
  }

  /// Work per buffer of a counted contender.
  package func counter(_ counted: Int, _ name: String) -> Double? { paired.run.counters[counted]?[name] }

  package var conditions: ShapeConditions {
    ShapeConditions(
      placement: placement, roundTrip: placement.flatMap { paired.roundTrip($0) },
      slicesDroppedBy: paired.sorter.reasons, isDisturbed: paired.sorter.isDisturbed)
  }
}
