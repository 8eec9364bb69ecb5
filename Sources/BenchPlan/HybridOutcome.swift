import BenchHarness
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// What a run found of hybrid's thresholds; nothing where they were given or are not needed.
package struct HybridOutcome: Sendable {
  /// Where they come from; slices name theirs by its number here.
  package var findings: [HybridFinding] = []
  /// Where there is none.
  package private(set) var gaps: [HybridGap] = []

  package init() {}

  /// A class that came up later has its threshold now.
  package mutating func add(_ finding: HybridFinding) {
    findings.append(finding)
    gaps.removeAll { $0.ring == finding.ring && $0.placement == finding.placement }
  }

  /// A class has none, for this reason by now.
  package mutating func add(_ gap: HybridGap) {
    gaps.removeAll { $0.ring == gap.ring && $0.placement == gap.placement }
    gaps.append(gap)
  }

  /// The same with classes named as those of the run's rows, which all round trips of the run decide.
  package func named(by classifier: PlacementClassifier) -> HybridOutcome {
    var copy = self
    for number in findings.indices {
      copy.findings[number].placement =
        classifier.placement(around: findings[number].roundTrip) ?? findings[number].placement
    }
    for number in gaps.indices {
      copy.gaps[number].placement = classifier.placement(around: gaps[number].roundTrip) ?? gaps[number].placement
    }
    let named = copy
    copy.gaps.removeAll { named.knows($0.ring, $0.placement) }
    return copy
  }

  private func knows(_ ring: RingLayout, _ placement: PlacementClass) -> Bool {
    findings.contains { $0.ring == ring && $0.placement == placement }
  }

  /// Whether a slice of a class ran with another one's threshold although the class has its own.
  package func isForeign(_ record: SliceRecord, in placement: PlacementClass) -> Bool {
    guard let number = record.setting else { return false }
    return findings[number].placement != placement && knows(findings[number].ring, placement)
  }

  /// What to say when hybrid ran in other classes than its threshold is for; `nil` when it did not.
  package func warning(rows: [(ring: RingLayout, placement: PlacementClass)]) -> String? {
    let list = { (classes: [PlacementClass]) in classes.map(\.name).joined(separator: " and ") }
    for ring in RingLayout.allCases {
      let known = PlacementClass.allCases.filter { knows(ring, $0) }
      let strange = PlacementClass.allCases.filter { placement in
        !known.contains(placement) && rows.contains { $0.ring == ring && $0.placement == placement }
      }
      guard !known.isEmpty, let first = strange.first else { continue }
      let reason = gaps.first { $0.ring == ring && $0.placement == first }?.reason ?? .passing
      return "hybrid's threshold on the \(ring.name) ring was measured in class \(list(known)), but rows were in class "
        + "\(list(strange)) too, where the crossing lies elsewhere, and \(reason.words): run again, or give it with "
        + "--hybrid-threshold"
    }
    return nil
  }
}

/// Where hybrid's threshold comes from: what `shadow` and `iommu-strict` cost on a ring in one placement class.
package struct HybridFinding: Sendable {
  package var ring: RingLayout
  package var placement: PlacementClass
  /// The median round trip around the slices.
  package var roundTrip: Double
  package var slices: Int
  package var calibration: HybridCalibration
  package var occasion = Occasion.start

  package init(
    ring: RingLayout, placement: PlacementClass, roundTrip: Double, slices: Int, calibration: HybridCalibration
  ) {
    (self.ring, self.placement, self.roundTrip) = (ring, placement, roundTrip)
    (self.slices, self.calibration) = (slices, calibration)
  }

  /// When it was made.
  package enum Occasion: String, Sendable {
    /// Before anything was measured.
    case start
    /// When the CPUs came to a placement that was not seen before.
    case later
  }

  /// The number of the ring's finding that was made closest to where the CPUs are now; `nil` without any.
  package static func nearest(_ findings: [HybridFinding], _ ring: RingLayout, to roundTrip: Double) -> Int? {
    // By ratio: round trips of two classes lie a multiple apart, and those of one class some per cent.
    let distance = { (number: Int) in abs(log(max(findings[number].roundTrip, 1) / max(roundTrip, 1))) }
    return findings.indices.filter { findings[$0].ring == ring }.min { distance($0) < distance($1) }
  }
}

/// A placement class that came up in a run, and why hybrid's threshold was not measured there.
package struct HybridGap: Sendable {
  package enum Reason: String, Encodable, Sendable {
    /// Too little of the run was left.
    case noTime
    /// The CPUs never stayed for long enough, or other programs took them too often meanwhile.
    case passing

    var words: String {
      switch self {
      case .noTime: "too little of the time limit was left to measure it there"
      case .passing: "the CPUs were not left there undisturbed for long enough to measure it"
      }
    }
  }

  var ring: RingLayout
  var placement: PlacementClass
  /// Around the slice that showed it, in nanoseconds.
  var roundTrip: Double
  package var reason: Reason

  package init(ring: RingLayout, placement: PlacementClass, roundTrip: Double, reason: Reason) {
    (self.ring, self.placement, self.roundTrip, self.reason) = (ring, placement, roundTrip, reason)
  }
}

extension HybridGap: Encodable {
  private struct Row: Encodable {
    let ring: RingLayout
    let placement: PlacementFigure
    let reason: Reason
  }

  package func encode(to encoder: any Encoder) throws {
    try Row(ring: ring, placement: PlacementFigure(placement, roundTrip), reason: reason).encode(to: encoder)
  }
}

/// A placement class and the median round trip around the slices of it.
package struct PlacementFigure: Codable, Equatable, Sendable {
  package var `class`: PlacementClass
  /// `nil` where it was not probed.
  package var roundTripNs: Double?

  package init(_ placement: PlacementClass, _ roundTrip: Double?) {
    (`class`, roundTripNs) = (placement, roundTrip)
  }

  private enum CodingKeys: CodingKey { case `class`, roundTripNs }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(`class`, forKey: .class)
    try values.encode(roundTripNs.map { Rounded.value($0) }, forKey: .roundTripNs)
  }
}
