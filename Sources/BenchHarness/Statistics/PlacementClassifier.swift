/// Decides which placement a slice was measured in, or why it does not count.
package struct PlacementClassifier: Sendable {
  package enum Verdict: Equatable, Sendable {
    case kept(PlacementClass)
    case dropped(DropReason)
  }

  /// The groups of round trips seen; on bare metal for information only.
  package let clusters: RoundTripClusters
  private let pair: CPUPair
  private let underHypervisor: Bool

  /// - Parameters:
  ///   - pair: how the two CPUs lie to each other by the topology.
  ///   - underHypervisor: then the topology is only what the guest is told, and classes come from the round trips.
  ///   - roundTrips: all round trips of the run, before and after every slice.
  package init(pair: CPUPair, underHypervisor: Bool, roundTrips: [Double]) {
    self.pair = pair
    self.underHypervisor = underHypervisor
    clusters = RoundTripClusters(roundTrips)
  }

  /// The class of one round trip; `nil` when it was not measured.
  package func placement(of roundTrip: Double) -> PlacementClass? {
    guard roundTrip > 0 else { return nil }
    guard underHypervisor else { return topologyClass }
    let measured = clusters.placement(of: roundTrip)
    // A slow round trip says two core complexes; that they are on two nodes only the topology can say.
    return measured == .crossL3 && !pair.shareNode ? .crossNode : measured
  }

  /// What becomes of a slice.
  ///
  /// With `toleratesSwitches` it is kept although a thread was taken off its CPU, for a machine that has no others.
  package func verdict(_ slice: SliceConditions, toleratesSwitches: Bool = false) -> Verdict {
    guard let before = placement(of: slice.roundTripBefore), let after = placement(of: slice.roundTripAfter) else {
      return .dropped(.probeFailed)
    }
    guard slice.stolenTicks == 0 else { return .dropped(.stolenTime) }
    guard slice.involuntarySwitches == 0 || toleratesSwitches else { return .dropped(.involuntarySwitch) }
    return before == after ? .kept(before) : .dropped(.placementChanged)
  }

  private var topologyClass: PlacementClass {
    if pair.areSiblings { return .smt }
    if pair.shareLastLevelCache { return .sameL3 }
    return pair.shareNode ? .crossL3 : .crossNode
  }
}
