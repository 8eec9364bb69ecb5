/// A median and the 95 % interval it lies in.
struct Estimate: Encodable, Equatable, Sendable {
  var median: Double
  var low: Double
  var high: Double

  /// A figure that is what it is by definition.
  static func exactly(_ value: Double) -> Estimate { Estimate(median: value, low: value, high: value) }

  /// The estimate of `factor / x`, for turning a cost into a rate: the interval's ends change places.
  func reciprocal(times factor: Double = 1) -> Estimate {
    Estimate(median: factor / median, low: factor / high, high: factor / low)
  }

  /// With the digits a measurement has.
  var rounded: Estimate {
    Estimate(median: Rounded.value(median), low: Rounded.value(low), high: Rounded.value(high))
  }
}
