import RingKit

/// What a `ring` run measures: parsed and checked, free of the command line.
struct RingParameters: Sendable {
  /// The points that are possible, in the order they were asked for.
  var points: [RingPoint]
  /// How many of the combinations asked for no ring can hold.
  var impossible: Int
  var driverCPU: Int
  var deviceCPU: Int
  var slices: Int
  var sliceMilliseconds: Double
  /// Seconds after which no further round begins.
  var timeLimit: Double
  /// Round trips recorded for each point with one buffer outstanding.
  var roundTrips: Int
  var seed: UInt64
}

extension RingParameters: Encodable {
  private enum Key: String, CodingKey {
    case points, impossible, driverCPU, deviceCPU, slices, sliceMilliseconds, timeLimit, roundTrips, seed
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(points.count, forKey: .points)
    try values.encode(impossible, forKey: .impossible)
    try values.encode(driverCPU, forKey: .driverCPU)
    try values.encode(deviceCPU, forKey: .deviceCPU)
    try values.encode(slices, forKey: .slices)
    try values.encode(sliceMilliseconds, forKey: .sliceMilliseconds)
    try values.encode(timeLimit, forKey: .timeLimit)
    try values.encode(roundTrips, forKey: .roundTrips)
    try values.encode(seed, forKey: .seed)
  }
}
