import Glibc

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
  package init(constant: Double) { points = [(0, log(constant))] }

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
