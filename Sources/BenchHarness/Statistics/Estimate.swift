/// A median and the 95 % interval it lies in.
package struct Estimate: Codable, Equatable, Sendable {
  package var median: Double
  package var low: Double
  package var high: Double

  package init(median: Double, low: Double, high: Double) {
    self.median = median
    self.low = low
    self.high = high
  }

  /// A figure that is what it is by definition.
  package static func exactly(_ value: Double) -> Estimate { Estimate(median: value, low: value, high: value) }

  /// The estimate of `factor / x`, for turning a cost into a rate: the interval's ends change places.
  package func reciprocal(times factor: Double = 1) -> Estimate {
    Estimate(median: factor / median, low: factor / high, high: factor / low)
  }

  /// With the digits a measurement has.
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Rounded.value(median), forKey: .median)
    try values.encode(Rounded.value(low), forKey: .low)
    try values.encode(Rounded.value(high), forKey: .high)
  }
}
