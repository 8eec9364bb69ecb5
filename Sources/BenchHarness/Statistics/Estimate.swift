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

  /// The estimate of `factor / x`, for turning a cost into a rate: the interval's ends are exchanged.
  package func reciprocal(times factor: Double = 1) -> Estimate {
    Estimate(median: factor / median, low: factor / high, high: factor / low)
  }

  /// With an interval that fits so few values: their own range is too narrow for fewer than are `enough`.
  ///
  /// One value may be off by a factor of two, two by half of that; a rule of thumb.
  func widened(count: Int, enough: Int) -> Estimate {
    guard count < enough else { return self }
    let factor = 1 + 1 / Double(max(1, count))
    return Estimate(median: median, low: low / factor, high: high * factor)
  }

  /// With the digits a measurement has.
  package var rounded: Estimate {
    Estimate(median: Rounded.value(median), low: Rounded.value(low), high: Rounded.value(high))
  }

  /// With the digits a measurement has.
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Rounded.value(median), forKey: .median)
    try values.encode(Rounded.value(low), forKey: .low)
    try values.encode(Rounded.value(high), forKey: .high)
  }
}

/// Order statistics of a handful of values.
package enum Percentile {
  /// The median, of an even number of values the mean of the middle two, or `nil` of none.
  package static func median(_ values: [Double]) -> Double? { value(0.5, of: values) }

  /// The value below which `fraction` (0 to 1) of them lie, linear between neighbours, or `nil` of none.
  package static func value(_ fraction: Double, of values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let position = min(max(fraction, 0), 1) * Double(sorted.count - 1)
    let below = Int(position)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (position - Double(below))
  }
}

/// The 95 % percentile-bootstrap interval of a median; the same seed gives the same interval.
package enum BootstrapInterval {
  static let resamples = 2_000

  /// The median of `values` with its interval, or `nil` of no values; one value is its own interval.
  ///
  /// - Complexity: O(resamples × values).
  package static func median(of values: [Double], seed: UInt64) -> Estimate? {
    guard let median = Percentile.median(values) else { return nil }
    let sorted = values.sorted()
    var generator = SeededGenerator(seed: seed)
    var medians: [Double] = []
    medians.reserveCapacity(resamples)
    // Drawn ranks are counted, not sorted: the middle of the counts is the median of the resample.
    var drawn = [Int](repeating: 0, count: sorted.count)
    for _ in 0..<resamples {
      for rank in drawn.indices { drawn[rank] = 0 }
      for _ in sorted.indices { drawn[Int(generator.next() % UInt64(sorted.count))] += 1 }
      medians.append(middle(of: sorted, drawn: drawn, count: sorted.count))
    }
    guard let low = Percentile.value(0.025, of: medians), let high = Percentile.value(0.975, of: medians) else {
      return nil
    }
    return Estimate(median: median, low: low, high: high)
  }

  /// The median of the ratios `numerator / denominator`, pair by pair: what both saw at the same time cancels out.
  package static func medianOfRatios(_ pairs: [(numerator: Double, denominator: Double)], seed: UInt64) -> Estimate? {
    median(of: pairs.filter { $0.denominator > 0 }.map { $0.numerator / $0.denominator }, seed: seed)
  }

  /// The median of `count` values of which `drawn` says how often each of `sorted` is among them.
  static func middle(of sorted: [Double], drawn: [Int], count: Int) -> Double {
    let lower = (count - 1) / 2
    let upper = count / 2
    var passed = 0
    var first: Double?
    for rank in drawn.indices where drawn[rank] > 0 {
      passed += drawn[rank]
      if first == nil, passed > lower { first = sorted[rank] }
      if let first, passed > upper { return (first + sorted[rank]) / 2 }
    }
    return sorted[sorted.count - 1]
  }
}

/// SplitMix64: the same seed gives the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
