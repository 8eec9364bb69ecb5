/// Decides which placement a slice was measured in, or why it does not count.
package struct PlacementClassifier: Sendable {
  enum Verdict: Equatable, Sendable {
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

  /// The same of a round trip that was measured apart from the run's; `nil` where it is none that the run saw.
  ///
  /// The nearest of the run's groups may be far: a run in one class alone would lend its name to any round trip.
  package func placement(around roundTrip: Double) -> PlacementClass? {
    guard underHypervisor, clusters.isDistant(roundTrip) else { return placement(of: roundTrip) }
    return nil
  }

  /// What becomes of a slice, with what has to be put up with on a machine that has no others.
  func verdict(_ slice: SliceConditions, tolerating: Tolerance = .nothing) -> Verdict {
    let (before, after) = (placement(of: slice.roundTripBefore), placement(of: slice.roundTripAfter))
    guard tolerating < .moves else { return .kept(before ?? after ?? topologyClass) }
    guard let before, let after else { return .dropped(.probeFailed) }
    guard slice.stolenTicks == 0 || tolerating >= .stolenTime else { return .dropped(.stolenTime) }
    guard slice.involuntarySwitches == 0 || tolerating >= .switches else { return .dropped(.involuntarySwitch) }
    return before == after ? .kept(before) : .dropped(.placementChanged)
  }

  private var topologyClass: PlacementClass {
    if pair.areSiblings { return .smt }
    if pair.shareLastLevelCache { return .sameL3 }
    return pair.shareNode ? .crossL3 : .crossNode
  }
}

/// What may have happened to a slice that counts all the same; each includes those before it.
enum Tolerance: Int, CaseIterable, Comparable, Sendable {
  case nothing
  case switches
  case stolenTime
  /// Of the CPUs during the slice, or a round trip that was not answered.
  case moves

  static func < (a: Tolerance, b: Tolerance) -> Bool { a.rawValue < b.rawValue }
}

/// Where driver and device are, seen from each other.
package enum PlacementClass: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// Two threads of one core.
  case smt
  /// Two cores behind one last-level cache.
  case sameL3 = "same-l3"
  /// Two cores of one node behind different last-level caches.
  case crossL3 = "cross-l3"
  /// Two nodes.
  case crossNode = "cross-node"

  package static let noun = "placement class"
}

extension PlacementClass {
  /// The class with most slices; of classes within a tenth of it, `same-l3` where it is among them.
  package static func main(_ kept: [(placement: PlacementClass, slices: Int)]) -> PlacementClass? {
    var sums: [PlacementClass: Int] = [:]
    for (placement, slices) in kept { sums[placement, default: 0] += slices }
    guard let most = sums.values.max() else { return nil }
    if let same = sums[.sameL3], same * 10 >= most * 9 { return .sameL3 }
    return allCases.first { sums[$0] == most }
  }
}

/// Why a slice does not count.
package enum DropReason: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  /// The round trips before and after it belong to different placements.
  case placementChanged
  /// The hypervisor took one of the CPUs away.
  case stolenTime
  /// The scheduler took a thread off its CPU.
  case involuntarySwitch
  /// A round trip was not answered in time.
  case probeFailed
  /// Hybrid still ran with the threshold of another placement class than it was in.
  case otherThreshold

  /// As a count of them is followed.
  package var words: String {
    switch self {
    case .placementChanged: "between two placements"
    case .stolenTime: "with stolen time"
    case .involuntarySwitch: "with an involuntary switch"
    case .probeFailed: "without a round trip"
    case .otherThreshold: "of hybrid before its threshold was measured there"
    }
  }
}

extension DropReason {
  /// With every reason, those that did not occur with 0.
  package static func counts(_ reasons: [DropReason: Int]) -> [DropReason: Int] {
    var counts = reasons
    for reason in allCases { counts[reason, default: 0] += 0 }
    return counts
  }

  /// For people.
  package static func sentence(_ reasons: [DropReason: Int]) -> String {
    let parts = allCases.compactMap { reason in
      reasons[reason].flatMap { $0 > 0 ? "\($0) \(reason.words)" : nil }
    }
    return parts.isEmpty ? "No slice was dropped." : "Slices dropped: \(parts.joined(separator: ", "))."
  }
}

/// What happened around one slice, on both CPUs together.
package struct SliceConditions: Sendable, Equatable {
  /// Nanoseconds; negative when the probe was not answered.
  package let roundTripBefore: Double
  package var roundTripAfter: Double
  package var stolenTicks: UInt64 = 0
  var involuntarySwitches: UInt64 = 0

  package var roundTrip: Double { (roundTripBefore + roundTripAfter) / 2 }
}
