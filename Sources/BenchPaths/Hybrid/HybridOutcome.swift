import BenchHarness
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
        classifier.placement(of: findings[number].roundTrip) ?? findings[number].placement
    }
    for number in gaps.indices {
      copy.gaps[number].placement = classifier.placement(of: gaps[number].roundTrip) ?? gaps[number].placement
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
      let strange = PlacementClass.allCases.filter { place in
        !known.contains(place) && rows.contains { $0.ring == ring && $0.placement == place }
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
