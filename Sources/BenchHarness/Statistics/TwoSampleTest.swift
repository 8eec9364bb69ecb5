import Glibc

/// Whether two samples come from one distribution: two-sided p-values.
package enum TwoSampleTest {
  /// As far as ranks are counted exactly.
  private static let mostExact = 16

  /// Mann and Whitney's U test.
  ///
  /// Exact for at most 16 values without ties; else the normal approximation with corrections for ties and continuity.
  /// `nil` without values on either side.
  package static func mannWhitney(_ a: [Double], _ b: [Double]) -> Double? {
    guard !a.isEmpty, !b.isEmpty else { return nil }
    let all = (a.map { ($0, true) } + b.map { ($0, false) }).sorted { $0.0 < $1.0 }
    var (rankSum, ties, start) = (0.0, 0.0, 0)
    while start < all.count {
      var end = start + 1
      while end < all.count, all[end].0 == all[start].0 { end += 1 }
      let rank = Double(start + end + 1) / 2
      rankSum += rank * Double(all[start..<end].count { $0.1 })
      let tied = Double(end - start)
      ties += tied * tied * tied - tied
      start = end
    }
    let (m, n, count) = (Double(a.count), Double(b.count), Double(all.count))
    let u = rankSum - m * (m + 1) / 2
    if ties == 0, all.count <= mostExact { return exact(max(u, m * n - u), a.count, b.count) }
    let variance = m * n / 12 * (count + 1 - ties / (count * (count - 1)))
    guard variance > 0 else { return 1 }
    let z = max(0, abs(u - m * n / 2) - 0.5) / variance.squareRoot()
    return min(1, erfc(z / 2.0.squareRoot()))
  }

  /// The least p that ``mannWhitney(_:_:)`` can give for so many values: with few of them it cannot be small.
  package static func leastMannWhitney(_ m: Int, _ n: Int) -> Double {
    guard m > 0, n > 0 else { return 1 }
    // Two of all ways to choose which ranks are the first sample's.
    var ways = 1.0
    for k in 0..<min(m, n) { ways *= Double(m + n - k) / Double(k + 1) }
    return min(1, 2 / ways)
  }

  /// Twice the share of all orders in which U is at least so large.
  private static func exact(_ u: Double, _ m: Int, _ n: Int) -> Double {
    // counts[i][s]: orders of the ranks seen so far in which i are the first sample's and their U is s.
    var counts = [[Double]](repeating: [Double](repeating: 0, count: m * n + 1), count: m + 1)
    counts[0][0] = 1
    for rank in 0..<(m + n) {
      for taken in stride(from: min(rank, m - 1), through: 0, by: -1) {
        let below = rank - taken
        guard below <= n else { continue }
        for sum in 0...(m * n) where counts[taken][sum] > 0 && sum + below <= m * n {
          counts[taken + 1][sum + below] += counts[taken][sum]
        }
      }
    }
    let total = counts[m].reduce(0, +)
    let tail = counts[m].indices.reduce(0.0) { Double($1) >= u - 1e-9 ? $0 + counts[m][$1] : $0 }
    return min(1, 2 * tail / total)
  }

  /// Welch's t test of the means: for samples so few that ranks cannot tell, at the price of a normal distribution.
  ///
  /// `nil` of fewer than two values on either side.
  package static func welch(_ a: [Double], _ b: [Double]) -> Double? {
    guard a.count > 1, b.count > 1 else { return nil }
    func moments(_ values: [Double]) -> (mean: Double, error: Double) {
      let (count, mean) = (Double(values.count), values.reduce(0, +) / Double(values.count))
      return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1) / count)
    }
    let (first, second) = (moments(a), moments(b))
    let error = first.error + second.error
    guard error > 0 else { return first.mean == second.mean ? 1 : 0 }
    let freedom =
      error * error
      / (first.error * first.error / Double(a.count - 1) + second.error * second.error / Double(b.count - 1))
    let t = (first.mean - second.mean) / error.squareRoot()
    return betaFraction(freedom / (freedom + t * t), freedom / 2, 0.5)
  }

  /// Holm's correction: what each p-value is worth among so many, in the order they came.
  package static func holm(_ values: [Double]) -> [Double] {
    var (corrected, largest) = (values, 0.0)
    for (rank, number) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
      largest = max(largest, min(1, values[number] * Double(values.count - rank)))
      corrected[number] = largest
    }
    return corrected
  }

  /// The regularised incomplete beta function, by its continued fraction (Lentz).
  private static func betaFraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    guard x > 0 else { return 0 }
    guard x < 1 else { return 1 }
    if x > (a + 1) / (a + b + 2) { return 1 - betaFraction(1 - x, b, a) }
    let scale = lgamma(a + b) - lgamma(a) - lgamma(b)
    let front = exp(scale + a * log(x) + b * log(1 - x)) / a
    let first = 1 - (a + b) * x / (a + 1)
    var (c, d) = (1.0, 1 / guarded(first))
    var fraction = d
    for step in 1...300 {
      let m = Double(step)
      let order = a + 2 * m
      let even = m * (b - m) * x / ((order - 1) * order)
      d = 1 / guarded(1 + even * d)
      c = guarded(1 + even / c)
      fraction *= d * c
      let odd = -(a + m) * (a + b + m) * x / (order * (order + 1))
      d = 1 / guarded(1 + odd * d)
      c = guarded(1 + odd / c)
      fraction *= d * c
      if abs(d * c - 1) < 1e-14 { break }
    }
    return min(1, front * fraction)
  }

  private static func guarded(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
}

extension BootstrapInterval {
  /// A comparison has many rows, and needs the ends of an interval alone.
  private static let comparedResamples = 500

  /// The median of `b` by the median of `a` with its 95 % interval; each side is what several runs measured.
  ///
  /// Runs are drawn first and then values of each, so that the interval is as wide as runs differ. `nil` without
  /// values.
  package static func ratioOfMedians(_ b: [[Double]], to a: [[Double]], seed: UInt64) -> Estimate? {
    guard let below = Percentile.median(a.flatMap { $0 }), let above = Percentile.median(b.flatMap { $0 }), below > 0
    else { return nil }
    var generator = SeededGenerator(seed: seed)
    var (first, second) = (PooledRuns(a), PooledRuns(b))
    let ratios = (0..<comparedResamples).map { _ in second.median(&generator) / first.median(&generator) }
    guard let low = Percentile.value(0.025, of: ratios), let high = Percentile.value(0.975, of: ratios) else {
      return nil
    }
    return Estimate(median: above / below, low: low, high: high)
  }

  /// The values of several runs in one order, to draw from without sorting again.
  private struct PooledRuns {
    private let sorted: [Double]
    /// Where each run's values are in that order.
    private let ranks: [[Int]]
    private var drawn: [Int]

    init(_ runs: [[Double]]) {
      let runs = runs.filter { !$0.isEmpty }
      let values = runs.enumerated().flatMap { number, run in run.map { (value: $0, run: number) } }
        .sorted { $0.value < $1.value }
      var ranks = [[Int]](repeating: [], count: runs.count)
      for (rank, value) in values.enumerated() { ranks[value.run].append(rank) }
      (sorted, self.ranks) = (values.map(\.value), ranks)
      drawn = [Int](repeating: 0, count: values.count)
    }

    /// The median of a resample.
    mutating func median(_ generator: inout SeededGenerator) -> Double {
      for rank in drawn.indices { drawn[rank] = 0 }
      var total = 0
      for _ in ranks.indices {
        let run = ranks.count == 1 ? 0 : Int(generator.next() % UInt64(ranks.count))
        let count = ranks[run].count
        for _ in 0..<count { drawn[ranks[run][Int(generator.next() % UInt64(count))]] += 1 }
        total += count
      }
      return BootstrapInterval.middle(of: sorted, drawn: drawn, count: total)
    }
  }
}
