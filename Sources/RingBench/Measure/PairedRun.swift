/// A run whose slices are sorted by contender and class: what any two contenders were to each other in the same moment.
struct PairedRun: Sendable {
  /// Fewer slices of one class than this say nothing about it.
  static let fewestSlices = 5

  let run: SliceRun
  let sorter: SliceSorter
  /// Where hybrids' thresholds came from, by the classes of this run.
  let hybrid: HybridOutcome
  private let contenders: Int
  private let fewest: Int
  private let seed: UInt64

  init(_ run: SliceRun, contenders: Int, parameters: CostParameters, machine: Machine) {
    self.run = run
    self.contenders = contenders
    seed = parameters.seed
    fewest = min(Self.fewestSlices, parameters.slices)
    let conditions = run.records.map(\.conditions)
    let classifier = PlacementClassifier(
      pair: machine.pair(parameters.driverCPU, parameters.deviceCPU), underHypervisor: machine.underHypervisor,
      roundTrips: conditions.flatMap { [$0.roundTripBefore, $0.roundTripAfter] })
    hybrid = run.hybrid.named(by: classifier)
    sorter = SliceSorter(
      run.records, contenders: contenders, fewest: fewest, classifier: classifier, hybrid: hybrid)
  }

  /// The class with most slices; `nil` when none was kept.
  var mainClass: PlacementClass? {
    PlacementClass.main(
      (0..<contenders).flatMap { contender in
        PlacementClass.allCases.map { ($0, sorter.kept(contender, $0).count) }
      }.filter { $0.1 > 0 })
  }

  /// Nanoseconds per buffer; `nil` of too few slices.
  func time(_ contender: Int, _ placement: PlacementClass) -> Estimate? {
    let slices = sorter.kept(contender, placement)
    guard slices.count >= fewest || run.interrupted, !slices.isEmpty else { return nil }
    return BootstrapInterval.median(of: slices.map(\.nanosecondsPerBuffer), seed: seed)
  }

  /// One contender's time by another's, slice by slice of the same round; `nil` of too few pairs.
  func ratio(_ contender: Int, to baseline: Int, _ placement: PlacementClass) -> Estimate? {
    let pairs = sorter.pairs(contender, with: baseline, placement)
    guard pairs.count >= fewest else { return nil }
    return BootstrapInterval.medianOfRatios(pairs, seed: seed)
  }

  /// The ratios themselves.
  func ratios(_ contender: Int, to baseline: Int, _ placement: PlacementClass) -> [Double] {
    let pairs = sorter.pairs(contender, with: baseline, placement)
    return pairs.count >= fewest ? pairs.filter { $0.denominator > 0 }.map { $0.numerator / $0.denominator } : []
  }

  /// The median round trip of a cache line around the slices of a class.
  func roundTrip(_ placement: PlacementClass) -> Double? {
    Percentile.median((0..<contenders).flatMap { sorter.kept($0, placement) }.map(\.conditions.roundTrip))
  }
}
