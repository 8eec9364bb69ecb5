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
  private enum Key: String, CodingKey {
    case ring, placement, reason
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    try values.encode(PlacementFigure(placement, roundTrip), forKey: .placement)
    try values.encode(reason, forKey: .reason)
  }
}
