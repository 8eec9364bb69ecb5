import BenchPlan
import Glibc

/// A placement class that holds round trips of two kinds, which are two placements under one name.
enum MixedClass {
  /// Farther apart than this, and with a gap between them, round trips are of two placements.
  static let apart = 1.3
  private static let rare = 0.1

  /// The two round trips, where so many values gather around two.
  static func modes(_ roundTrips: [Double]) -> (low: Double, high: Double)? {
    let logs = roundTrips.filter { $0 > 0 }.map { log($0) }.sorted()
    guard logs.count >= 10 else { return nil }
    // The split that leaves least spread on both sides.
    var (sums, squares) = ([0.0], [0.0])
    for value in logs {
      sums.append(sums[sums.count - 1] + value)
      squares.append(squares[squares.count - 1] + value * value)
    }
    /// The sum of squares around the mean of the values in a range.
    func spread(_ range: Range<Int>) -> Double {
      let sum = sums[range.upperBound] - sums[range.lowerBound]
      return max(0, squares[range.upperBound] - squares[range.lowerBound] - sum * sum / Double(range.count))
    }
    func within(_ split: Int) -> Double { spread(0..<split) + spread(split..<logs.count) }
    let split = (1..<logs.count).min { within($0) < within($1) } ?? 1
    let (low, high) = (logs[..<split], logs[split...])
    let share = Double(min(low.count, high.count)) / Double(logs.count)
    let (lowCentre, highCentre) = (low[split / 2], high[split + high.count / 2])
    guard share >= rare, highCentre - lowCentre > log(apart) else { return nil }
    // One broad heap splits as well: its halves keep over a third of its spread, and there is no gap.
    let whole = spread(0..<logs.count)
    guard whole > 0, within(split) / whole < 0.2 else { return nil }
    return (exp(lowCentre), exp(highCentre))
  }

  /// A sentence for each class of a document that is mixed.
  static func texts(_ rows: [ResultRow]) -> [String] {
    PlacementClass.allCases.compactMap { placement in
      let trips = rows.filter { $0.placement?.class == placement }.flatMap { row in
        (row.slices ?? []).compactMap { $0.dropped == nil ? $0.roundTripNs : nil }
      }
      return modes(trips).map {
        "class \(placement.name) holds two placements, with round trips around \(NumberText.short($0.low)) and "
          + "\(NumberText.short($0.high)) ns: its times are of both"
      }
    }
  }
}
