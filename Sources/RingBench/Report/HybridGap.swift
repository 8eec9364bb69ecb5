import RingKit

/// A placement class that came up in a run, and why hybrid's threshold was not measured there.
struct HybridGap: Sendable {
  enum Reason: String, Encodable, Sendable {
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
  var reason: Reason
}

extension HybridGap: Encodable {
  private enum Key: String, CodingKey {
    case ring, placement, reason
  }

  private enum PlacementKey: String, CodingKey {
    case name = "class"
    case roundTripNs
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(ring, forKey: .ring)
    var place = values.nestedContainer(keyedBy: PlacementKey.self, forKey: .placement)
    try place.encode(placement, forKey: .name)
    try place.encode(Rounded.value(roundTrip), forKey: .roundTripNs)
    try values.encode(reason, forKey: .reason)
  }
}
