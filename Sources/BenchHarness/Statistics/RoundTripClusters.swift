import Glibc

/// Groups of round trips that belong to one placement each.
///
/// One-dimensional Lloyd iterations over the logarithm (a placement differs from the next by a factor, not by an
/// amount), seeded with what two threads of a core, one core complex and two core complexes usually take.
package struct RoundTripClusters: Sendable, Equatable {
  /// Nanoseconds, and the class such a round trip usually means.
  static let seeds: [(nanoseconds: Double, placement: PlacementClass)] = [
    (48, .smt), (105, .sameL3), (510, .crossL3),
  ]
  /// Closer than this, two centres are one placement in two moods.
  package static let distinct = 1.5

  package struct Cluster: Sendable, Equatable {
    package let centre: Double
    package var count: Int
    let placement: PlacementClass
  }

  /// Ascending by centre; empty when there was nothing to group.
  package let clusters: [Cluster]

  init(_ roundTrips: [Double]) {
    let logs = roundTrips.filter { $0 > 0 && $0.isFinite }.map { log($0) }
    var groups = Self.merge(Self.settle(logs))
    groups.sort { $0.centre < $1.centre }
    clusters = groups.map {
      Cluster(centre: exp($0.centre), count: $0.count, placement: Self.name(of: $0.centre))
    }
  }

  /// The class of the cluster whose centre is nearest.
  func placement(of roundTrip: Double) -> PlacementClass? {
    guard roundTrip > 0, roundTrip.isFinite else { return nil }
    return clusters.min { abs(log($0.centre / roundTrip)) < abs(log($1.centre / roundTrip)) }?.placement
  }

  /// Whether a round trip is too far from every centre to belong to it.
  func isDistant(_ roundTrip: Double) -> Bool {
    !clusters.contains { abs(log($0.centre / roundTrip)) < log(Self.distinct) }
  }

  private typealias Group = (centre: Double, count: Int)

  private static func settle(_ logs: [Double]) -> [Group] {
    var groups: [Group] = seeds.map { (log($0.nanoseconds), 0) }
    for _ in 0..<64 {
      var sums = [Double](repeating: 0, count: groups.count)
      var counts = [Int](repeating: 0, count: groups.count)
      for value in logs {
        let nearest = groups.indices.min { abs(groups[$0].centre - value) < abs(groups[$1].centre - value) } ?? 0
        sums[nearest] += value
        counts[nearest] += 1
      }
      let next: [Group] = groups.indices.filter { counts[$0] > 0 }.map { (sums[$0] / Double(counts[$0]), counts[$0]) }
      let isSettled =
        next.count == groups.count && zip(next, groups).allSatisfy { $0.centre == $1.centre && $0.count == $1.count }
      groups = next
      if isSettled { break }
    }
    return groups
  }

  private static func merge(_ groups: [Group]) -> [Group] {
    var merged: [Group] = []
    for group in groups.sorted(by: { $0.centre < $1.centre }) {
      if let last = merged.last, group.centre - last.centre < log(distinct) {
        let count = last.count + group.count
        let centre = (last.centre * Double(last.count) + group.centre * Double(group.count)) / Double(count)
        merged[merged.count - 1] = (centre, count)
      } else {
        merged.append(group)
      }
    }
    return merged
  }

  private static func name(of centre: Double) -> PlacementClass {
    let nearest = seeds.min { abs(log($0.nanoseconds) - centre) < abs(log($1.nanoseconds) - centre) }
    return nearest?.placement ?? .sameL3
  }
}
