import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// A placement class that came up in a run, and why hybrid's threshold was not measured there.
package struct HybridGap: Sendable {
  package enum Reason: String, Encodable, Sendable {
    /// Too little of the run was left.
    case noTime
    /// The CPUs never stayed for long enough, or other programs took them too often meanwhile.
    case passing

    package var words: String {
      switch self {
      case .noTime: "too little of the time limit was left to measure it there"
      case .passing: "the CPUs were not left there undisturbed for long enough to measure it"
      }
    }
  }

  package var ring: RingLayout
  package var placement: PlacementClass
  /// Around the slice that showed it, in nanoseconds.
  package var roundTrip: Double
  package var reason: Reason
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
