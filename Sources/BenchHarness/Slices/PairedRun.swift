/// A run whose slices are sorted by case and class: what any two cases were to each other in the same moment.
package struct PairedRun: Sendable {
  /// Fewer slices of one class than this say nothing about it.
  package static let fewestSlices = 5

  package let run: SliceRun
  package let sorter: SliceSorter
  private let cases: Int
  private let minimum: Int
  private let seed: UInt64

  /// - Parameters:
  ///   - run: the slices.
  ///   - cases: how many were timed.
  ///   - slices: of each that were asked for.
  ///   - classifier: names the placement classes.
  ///   - seed: of the bootstrap intervals.
  ///   - isForeign: whether a slice of a class ran with the setting of another.
  package init(
    _ run: SliceRun, cases: Int, slices: Int, classifier: PlacementClassifier, seed: UInt64,
    isForeign: (SliceRecord, PlacementClass) -> Bool = { _, _ in false }
  ) {
    self.run = run
    self.cases = cases
    self.seed = seed
    minimum = min(Self.fewestSlices, slices)
    sorter = SliceSorter(
      run.records, cases: cases, minimum: minimum, classifier: classifier, isForeign: isForeign)
  }

  /// The class with most slices; `nil` when none was kept.
  package var mainClass: PlacementClass? {
    PlacementClass.main(
      (0..<cases).flatMap { benchCase in
        PlacementClass.allCases.map { ($0, sorter.kept(benchCase, $0).count) }
      }.filter { $0.1 > 0 })
  }

  /// Nanoseconds per buffer; `nil` of too few slices, unless it is the class that the case has most of.
  package func time(_ benchCase: Int, _ placement: PlacementClass) -> Estimate? {
    let slices = sorter.kept(benchCase, placement)
    guard slices.count >= min(minimum, sorter.most(benchCase)) || run.interrupted, !slices.isEmpty else { return nil }
    return BootstrapInterval.median(of: slices.map(\.nanosecondsPerBuffer), seed: seed)?
      .widened(count: slices.count, enough: Self.fewestSlices)
  }

  /// One case's time by another's: slice by slice of the same round, or, where too few rounds kept both, of all.
  ///
  /// `nil` where one of them has no slices in the class.
  package func ratio(_ benchCase: Int, to baseline: Int, _ placement: PlacementClass) -> Estimate? {
    let pairs = sorter.pairs(benchCase, with: baseline, placement)
    if pairs.count >= minimum {
      return BootstrapInterval.medianOfRatios(pairs, seed: seed)?
        .widened(count: pairs.count, enough: Self.fewestSlices)
    }
    guard let time = time(benchCase, placement), let base = self.time(baseline, placement), base.low > 0 else {
      return nil
    }
    return Estimate(median: time.median / base.median, low: time.low / base.high, high: time.high / base.low)
  }

  /// The ratios themselves.
  package func ratios(_ benchCase: Int, to baseline: Int, _ placement: PlacementClass) -> [Double] {
    let pairs = sorter.pairs(benchCase, with: baseline, placement)
    return pairs.count >= min(minimum, sorter.most(benchCase))
      ? pairs.filter { $0.denominator > 0 }.map { $0.numerator / $0.denominator } : []
  }

  /// The median round trip of a cache line around the slices of a class.
  package func roundTrip(_ placement: PlacementClass) -> Double? {
    Percentile.median((0..<cases).flatMap { sorter.kept($0, placement) }.map(\.conditions.roundTrip))
  }
}
