import Testing

@testable import BenchHarness

@Suite struct RoundTripClustersTests {
  private func around(_ centre: Double, _ count: Int, seed: UInt64 = 5) -> [Double] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in centre * Double.random(in: 0.92...1.08, using: &generator) }
  }

  @Test func threePlacementsAreToldApart() {
    let clusters = RoundTripClusters(around(48, 10) + around(108, 40) + around(505, 50))
    #expect(clusters.clusters.map(\.placement) == [.smt, .sameL3, .crossL3])
    #expect(clusters.clusters.map(\.count) == [10, 40, 50])
    #expect(clusters.placement(of: 60) == .smt)
    #expect(clusters.placement(of: 130) == .sameL3)
    #expect(clusters.placement(of: 900) == .crossL3)
  }

  @Test func emptyClustersVanish() {
    let clusters = RoundTripClusters(around(115, 30))
    #expect(clusters.clusters.map(\.placement) == [.sameL3])
    // With one placement seen there is nothing else to be in.
    #expect(clusters.placement(of: 400) == .sameL3)
  }

  // 70 and 90 ns straddle the border between two seeds and are one placement.
  @Test func neighboursWithinAFactorOfOneAndAHalfMerge() {
    let clusters = RoundTripClusters(around(66, 20) + around(86, 20))
    #expect(clusters.clusters.count == 1)
  }

  @Test func nothingIn() {
    #expect(RoundTripClusters([]).clusters.isEmpty)
    #expect(RoundTripClusters([-1, 0, .infinity, .nan]).clusters.isEmpty)
    #expect(RoundTripClusters([]).placement(of: 100) == nil)
    #expect(RoundTripClusters([100]).placement(of: -1) == nil)
  }
}
