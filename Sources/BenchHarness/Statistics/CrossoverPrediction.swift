import Glibc

/// Where copying should stop being cheaper than mapping, from what each of the two costs alone.
package enum CrossoverPrediction: Equatable, Sendable {
  /// Copying is cheaper below this many bytes, mapping above.
  case at(bytes: Double)
  case mappingAlwaysCheaper
  case copyingAlwaysCheaper

  /// Sizes looked at: from where nothing is copied to what no buffer is.
  static let range = 16.0...Double(1 << 24)

  /// S* = bandwidth × (t_map + t_unmap) / k, where bandwidth and times are those of S* itself.
  ///
  /// `copies` is k, the copies each buffer takes; `bandwidth` bytes a nanosecond and `mapping` nanoseconds, by the size
  /// of the buffer; `overhead` what copying takes whatever the size (finding a slot).
  package static func solve(copies: Int, bandwidth: LogCurve, mapping: LogCurve, overhead: Double = 0)
    -> CrossoverPrediction
  {
    // The cost of copying over that of mapping, as the logarithm of the ratio.
    func excess(_ bytes: Double) -> Double {
      log((Double(copies) * bytes / bandwidth.value(at: bytes) + overhead) / mapping.value(at: bytes))
    }
    let step = pow(2, 1.0 / 16)
    var below = range.lowerBound
    guard excess(below) < 0 else { return .mappingAlwaysCheaper }
    while below < range.upperBound {
      let above = below * step
      let (low, high) = (excess(below), excess(above))
      if high >= 0 { return .at(bytes: below * pow(step, low / (low - high))) }
      below = above
    }
    return .copyingAlwaysCheaper
  }

  package var bytes: Double? {
    guard case .at(let bytes) = self else { return nil }
    return bytes
  }
}

/// A quantity known at a few sizes: a straight line between neighbours when both axes are logarithmic.
///
/// Beyond its ends the line of the outermost two goes on.
package struct LogCurve: Equatable, Sendable {
  private let points: [(x: Double, y: Double)]

  /// `nil` without a point; sizes and values are above 0.
  package init?(_ values: [(bytes: Double, value: Double)]) {
    let usable = values.filter { $0.bytes > 0 && $0.value > 0 }.sorted { $0.bytes < $1.bytes }
    guard !usable.isEmpty else { return nil }
    points = usable.map { (log($0.bytes), log($0.value)) }
  }

  /// The same at every size.
  init(constant: Double) { points = [(0, log(constant))] }

  package func value(at bytes: Double) -> Double {
    let x = log(bytes)
    guard points.count > 1 else { return exp(points[0].y) }
    let above = min(max(points.firstIndex { $0.x >= x } ?? points.count - 1, 1), points.count - 1)
    let (a, b) = (points[above - 1], points[above])
    return exp(a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x))
  }

  package static func == (a: LogCurve, b: LogCurve) -> Bool {
    a.points.count == b.points.count && zip(a.points, b.points).allSatisfy { $0.x == $1.x && $0.y == $1.y }
  }
}
