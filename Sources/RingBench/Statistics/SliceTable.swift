/// Turns the slices of a run into rows: classified, dropped or kept, summed up per placement class.
struct SliceTable: Sendable {
  /// Keeps what a row is made of, per combination and class.
  private struct Kept {
    var byRound: [Int: Double] = [:]
    var roundTrips: [Double] = []
  }

  private struct Place: Hashable {
    var combination: CostSlice.Combination
    var placement: PlacementClass
  }

  /// How many slices did not count, by reason, over the whole run.
  let droppedBy: [DropReason: Int]
  private let kept: [Place: Kept]
  private let dropped: [CostSlice.Combination: Int]
  private let order: [CostSlice.Combination]

  /// Classifies all `slices`; `pair` and `underHypervisor` as in ``PlacementClassifier``.
  init(_ slices: [CostSlice], pair: CPUPair, underHypervisor: Bool) {
    let trips = slices.flatMap { [$0.conditions.roundTripBefore, $0.conditions.roundTripAfter] }
    let classifier = PlacementClassifier(pair: pair, underHypervisor: underHypervisor, roundTrips: trips)
    var kept: [Place: Kept] = [:]
    var dropped: [CostSlice.Combination: Int] = [:]
    var reasons: [DropReason: Int] = [:]
    var order: [CostSlice.Combination] = []
    var seen: Set<CostSlice.Combination> = []
    for slice in slices {
      if seen.insert(slice.combination).inserted { order.append(slice.combination) }
      switch classifier.verdict(slice.conditions) {
      case .kept(let placement):
        let place = Place(combination: slice.combination, placement: placement)
        kept[place, default: Kept()].byRound[slice.round] = slice.nanosecondsPerBuffer
        kept[place, default: Kept()].roundTrips.append(slice.conditions.roundTrip)
      case .dropped(let reason):
        reasons[reason, default: 0] += 1
        dropped[slice.combination, default: 0] += 1
      }
    }
    self.kept = kept
    self.dropped = dropped
    self.order = order
    droppedBy = reasons
  }

  /// The rows in the order of measuring, a combination's classes from near to far.
  ///
  /// `counters` is the work per buffer of each combination; it does not depend on the placement.
  func rows(
    _ parameters: CostParameters, counters: [CostSlice.Combination: [String: Double]]
  ) -> [CostRow] {
    order.flatMap { combination in
      PlacementClass.allCases.compactMap { placement in
        row(combination, placement, parameters, counters[combination] ?? [:])
      }
    }
  }

  private func row(
    _ combination: CostSlice.Combination, _ placement: PlacementClass, _ parameters: CostParameters,
    _ counters: [String: Double]
  ) -> CostRow? {
    guard let own = kept[Place(combination: combination, placement: placement)],
      let cost = BootstrapInterval.median(of: ascending(own).map(\.value), seed: parameters.seed),
      let trip = Percentile.median(own.roundTrips)
    else { return nil }
    return CostRow(
      ring: combination.ring, path: combination.path, direction: combination.direction, bytes: combination.bytes,
      depth: parameters.depth, batch: parameters.batch, placement: placement, roundTrip: trip,
      nanosecondsPerBuffer: cost, ratioToDirect: ratio(combination, own, placement, parameters.seed),
      slicesKept: own.byRound.count, slicesDropped: dropped[combination] ?? 0, counters: counters)
  }

  private func ratio(
    _ combination: CostSlice.Combination, _ own: Kept, _ placement: PlacementClass, _ seed: UInt64
  ) -> Estimate? {
    guard combination.path != .direct else { return .exactly(1) }
    guard let base = kept[Place(combination: combination.baseline, placement: placement)] else { return nil }
    let pairs = ascending(own).compactMap { round, value in
      base.byRound[round].map { (numerator: value, denominator: $0) }
    }
    return BootstrapInterval.medianOfRatios(pairs, seed: seed)
  }

  // A dictionary's order differs from run to run; the bootstrap must see the same one.
  private func ascending(_ kept: Kept) -> [(key: Int, value: Double)] {
    kept.byRound.sorted { $0.key < $1.key }
  }
}
