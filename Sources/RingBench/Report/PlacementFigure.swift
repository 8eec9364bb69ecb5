/// Where the CPUs were, as every row of the JSON says it: the class, and the round trip of a cache line in nanoseconds.
struct PlacementFigure: Encodable {
  let placement: PlacementClass
  /// `nil` where it was not probed.
  let roundTrip: Double?

  init(_ placement: PlacementClass, _ roundTrip: Double?) {
    (self.placement, self.roundTrip) = (placement, roundTrip)
  }

  private enum Key: String, CodingKey {
    case placement = "class"
    case roundTripNs
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(placement, forKey: .placement)
    try values.encode(roundTrip.map { Rounded.value($0) }, forKey: .roundTripNs)
  }
}
