import BenchHarness
import RingIOMMU
import RingKit

/// Where the CPUs were, as every row of the JSON says it: the class, and the round trip of a cache line in nanoseconds.
package struct PlacementFigure: Encodable {
  package let placement: PlacementClass
  /// `nil` where it was not probed.
  package let roundTrip: Double?

  package init(_ placement: PlacementClass, _ roundTrip: Double?) {
    (self.placement, self.roundTrip) = (placement, roundTrip)
  }

  private enum Key: String, CodingKey {
    case placement = "class"
    case roundTripNs
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(placement, forKey: .placement)
    try values.encode(roundTrip.map { Rounded.value($0) }, forKey: .roundTripNs)
  }
}
