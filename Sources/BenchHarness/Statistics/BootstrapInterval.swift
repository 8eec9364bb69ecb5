/// The 95 % percentile-bootstrap interval of a median; the same seed gives the same interval.
package enum BootstrapInterval {
  package static let resamples = 2_000

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
      medians.append(middle(of: sorted, drawn: drawn))
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

  private static func middle(of sorted: [Double], drawn: [Int]) -> Double {
    let lower = (sorted.count - 1) / 2
    let upper = sorted.count / 2
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
