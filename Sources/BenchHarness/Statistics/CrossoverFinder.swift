import Glibc

/// Finds where one of two paths overtakes the other, from the ratios of their times at several sizes.
///
/// A size counts only where the 95 % interval of the ratio lies on one side of 1 by more than the margin, and three
/// quarters of the slices with it: of two paths that cost the same, noise would find a crossover between any two sizes.
/// Between two sizes with different cheaper paths the crossover is interpolated, with logarithms on both axes; its
/// interval comes from drawing the slices of each size anew.
package struct CrossoverFinder: Sendable {
  /// The first path's time by the second's at one size, one value for each pair of slices.
  package struct Point: Sendable {
    package var bytes: Int
    var ratios: [Double]

    package init(bytes: Int, ratios: [Double]) {
      self.bytes = bytes
      self.ratios = ratios
    }
  }

  /// Ratios closer to 1 than this count as equal.
  static let margin = 0.03
  // A dozen sizes are looked at for each of many pairs: at 95 % one in twenty would decide by chance. Of 40 slices of
  // two equal paths, three quarters fall on one side once in 500 times.
  private static let agreement = 0.75
  private static let resamples = 500

  let seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  /// - Complexity: O(resamples × slices between the two sizes) for each crossover.
  package func find(_ points: [Point]) -> CrossoverFinding {
    let sorted = points.filter { !$0.ratios.isEmpty }.sorted { $0.bytes < $1.bytes }
    let signs = sorted.map { sign($0.ratios) }
    var crossings: [Crossover] = []
    var last: Int?
    for i in signs.indices where signs[i] != 0 {
      if let last, signs[last] != signs[i] {
        crossings.append(crossing(Array(sorted[last...i]), firstIsCheaperBelow: signs[last] < 0))
      }
      last = i
    }
    return CrossoverFinding(crossovers: crossings, cheaper: crossings.isEmpty ? cheaper(signs) : .neither)
  }

  /// The cheaper path where neither overtakes: one size among many may be chance, a quarter of them is not.
  private func cheaper(_ signs: [Int]) -> CrossoverFinding.Cheaper {
    let least = (signs.count + 3) / 4
    if signs.count(where: { $0 < 0 }) >= max(1, least) { return .first }
    return signs.count(where: { $0 > 0 }) >= max(1, least) ? .second : .neither
  }

  /// -1 where the first path is cheaper, 1 where the second is, 0 where the ratios do not tell.
  private func sign(_ ratios: [Double]) -> Int {
    guard let ratio = BootstrapInterval.median(of: ratios, seed: seed) else { return 0 }
    let below = Double(ratios.count { $0 < 1 }) / Double(ratios.count)
    if ratio.high < 1, ratio.median < 1 - Self.margin, below >= Self.agreement { return -1 }
    return ratio.low > 1 && ratio.median > 1 + Self.margin && 1 - below >= Self.agreement ? 1 : 0
  }

  private func crossing(_ points: [Point], firstIsCheaperBelow: Bool) -> Crossover {
    let sizes = points.map { log(Double($0.bytes)) }
    let (low, high) = (sizes[0], sizes[sizes.count - 1])
    let medians = points.map { log(Percentile.median($0.ratios) ?? 1) }
    let best = zero(sizes, medians) ?? (low + high) / 2
    var generator = SeededGenerator(seed: seed)
    var zeros: [Double] = []
    for _ in 0..<Self.resamples {
      let drawn = points.map { point in
        log(Percentile.median(point.ratios.map { _ in point.ratios.randomElement(using: &generator) ?? 1 }) ?? 1)
      }
      // A drawing in which neither overtakes: the crossover lies at the end that changed sides, or beyond it.
      zeros.append(zero(sizes, drawn) ?? ((drawn[0] < 0) == firstIsCheaperBelow ? high : low))
    }
    let interval = Estimate(
      median: exp(best), low: exp(min(best, Percentile.value(0.025, of: zeros) ?? best)),
      high: exp(max(best, Percentile.value(0.975, of: zeros) ?? best)))
    return Crossover(
      bytes: interval, between: points[0].bytes...points[points.count - 1].bytes,
      firstIsCheaperBelow: firstIsCheaperBelow)
  }

  /// Where the line through the values is 0; midway between the outermost zeros where noise makes it several.
  private func zero(_ sizes: [Double], _ values: [Double]) -> Double? {
    var found: [Double] = []
    for i in 1..<sizes.count where (values[i - 1] < 0) != (values[i] < 0) {
      let share = values[i - 1] / (values[i - 1] - values[i])
      found.append(sizes[i - 1] + (sizes[i] - sizes[i - 1]) * share)
    }
    guard let first = found.first, let last = found.last, found.count % 2 == 1 else { return nil }
    return (first + last) / 2
  }
}

/// A size at which one path overtakes another.
package struct Crossover: Equatable, Sendable {
  package let bytes: Estimate
  /// The two measured sizes it lies between, at each of which the cheaper path is certain.
  package let between: ClosedRange<Int>
  /// Which of the two is cheaper at sizes below.
  package let firstIsCheaperBelow: Bool
}

/// What can be said of two paths over a range of sizes.
package struct CrossoverFinding: Equatable, Sendable {
  /// The path that is cheaper at every size that tells.
  package enum Cheaper: Equatable, Sendable {
    case first
    case second
    /// They overtake each other, or nowhere differ.
    case neither
  }

  /// By size; empty: no crossover in range.
  package let crossovers: [Crossover]
  package let cheaper: Cheaper
}
