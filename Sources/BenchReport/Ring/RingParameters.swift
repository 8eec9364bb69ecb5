import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What a `ring` run measures: parsed and checked, free of the command line.
package struct RingParameters: Sendable {
  /// The points that are possible, in the order they were asked for.
  package var points: [RingPoint]
  /// How many of the combinations asked for no ring can hold.
  package var impossible: Int
  package var driverCPU: Int
  package var deviceCPU: Int
  package var slices: Int
  package var sliceMilliseconds: Double
  /// Seconds after which no further round begins.
  package var timeLimit: Double
  /// Round trips recorded for each point with one buffer outstanding.
  package var roundTrips: Int
  package var seed: UInt64

  package init(
    points: [RingPoint], impossible: Int, driverCPU: Int, deviceCPU: Int, slices: Int, sliceMilliseconds: Double,
    timeLimit: Double, roundTrips: Int, seed: UInt64
  ) {
    self.points = points
    self.impossible = impossible
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
    self.slices = slices
    self.sliceMilliseconds = sliceMilliseconds
    self.timeLimit = timeLimit
    self.roundTrips = roundTrips
    self.seed = seed
  }
}

extension RingParameters: Encodable {
  private enum Key: String, CodingKey {
    case points, impossible, driverCPU, deviceCPU, slices, sliceMilliseconds, timeLimit, roundTrips, seed
  }

  package func encode(to encoder: any Encoder) throws {
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
