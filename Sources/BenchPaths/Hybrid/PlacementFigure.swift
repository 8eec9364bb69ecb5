import BenchHarness

/// A placement class and the median round trip around the slices of it.
package struct PlacementFigure: Encodable, Equatable, Sendable {
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
