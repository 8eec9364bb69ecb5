import Testing

@testable import BenchHarness

@Suite struct CrossoverFinderTests {
  private let sizes = (6...18).map { 1 << $0 }
  private let finder = CrossoverFinder(seed: 1)

  /// Ratios of a first path that costs `fixed + bytes × slope` by a second that costs `other`; `noise` is how much
  /// they stray to either side.
  private func points(noise: Double, seed: UInt64 = 3, _ ratio: (Double) -> Double) -> [CrossoverFinder.Point] {
    var generator = SeededGenerator(seed: seed)
    return sizes.map { bytes in
      CrossoverFinder.Point(
        bytes: bytes,
        ratios: (0..<40).map { _ in
          ratio(Double(bytes)) * Double.random(in: (1 - noise)...(1 + noise), using: &generator)
        })
    }
  }

  // A copy of 0.1 ns a byte against a map of 300 ns: 3,000 bytes.
  @Test(arguments: [0, 0.02, 0.2])
  func aCrossoverIsFoundWhereTheCurvesMeet(noise: Double) throws {
    let finding = finder.find(points(noise: noise) { bytes in (10 + 0.1 * bytes) / 310 })
    let crossover = try #require(finding.crossovers.first)
    #expect(finding.crossovers.count == 1)
    #expect(finding.cheaper == .neither)
    #expect(crossover.firstIsCheaperBelow)
    // Between two sizes a factor of two apart the line is straight in logarithms, the sum of two costs is not quite.
    #expect(crossover.bytes.median > 2_700 && crossover.bytes.median < 3_300)
    #expect(crossover.bytes.low <= crossover.bytes.median && crossover.bytes.median <= crossover.bytes.high)
    #expect(crossover.between.contains(3_000))
    #expect(crossover.bytes.low >= Double(crossover.between.lowerBound))
    #expect(crossover.bytes.high <= Double(crossover.between.upperBound))
  }

  @Test func aPureRatioIsFoundExactly() throws {
    let finding = finder.find(points(noise: 0) { 3_000 / $0 })
    let crossover = try #require(finding.crossovers.first)
    #expect(abs(crossover.bytes.median - 3_000) < 1)
    #expect(!crossover.firstIsCheaperBelow)
  }

  @Test func noiseWidensTheInterval() throws {
    func width(_ noise: Double) throws -> Double {
      let found = finder.find(points(noise: noise) { (10 + 0.1 * $0) / 310 })
      let bytes = try #require(found.crossovers.first).bytes
      return bytes.high - bytes.low
    }
    #expect(try width(0) < 1)
    #expect(try width(0.05) < width(0.3))
  }

  @Test func whoIsAlwaysCheaperIsNamed() {
    #expect(finder.find(points(noise: 0.02) { _ in 0.5 }).cheaper == .first)
    #expect(finder.find(points(noise: 0.02) { _ in 2 }).cheaper == .second)
    #expect(finder.find(points(noise: 0.02) { _ in 2 }).crossovers.isEmpty)
  }

  // 13 sizes, 20 seeds: at 95 % each, noise alone would cross somewhere in most of them.
  @Test(arguments: 1...20)
  func pathsThatCostTheSameDoNotCross(seed: UInt64) {
    let finding = finder.find(points(noise: 0.1, seed: seed) { _ in 1 })
    #expect(finding.crossovers.isEmpty)
    #expect(finding.cheaper == .neither)
  }

  // They meet at the largest size, where neither is cheaper yet.
  @Test func meetingAtTheEdgeIsNoCrossover() {
    let finding = finder.find(points(noise: 0.01) { $0 / Double(1 << 18) })
    #expect(finding.crossovers.isEmpty)
    #expect(finding.cheaper == .first)
  }

  @Test func aCrossoverJustInsideTheEdgeIsOne() throws {
    let finding = finder.find(points(noise: 0.01) { $0 / (0.9 * Double(1 << 18)) })
    let crossover = try #require(finding.crossovers.first)
    #expect(crossover.between.upperBound == 1 << 18)
    #expect(abs(crossover.bytes.median / (0.9 * Double(1 << 18)) - 1) < 0.02)
  }

  @Test func sizesAtWhichNobodyCanTellAreBridged() throws {
    let finding = finder.find(points(noise: 0.01) { $0 < 1_000 ? 0.5 : $0 < 5_000 ? 1 : 2 })
    let crossover = try #require(finding.crossovers.first)
    #expect(finding.crossovers.count == 1)
    #expect(crossover.between == 512...8_192)
  }

  @Test func overtakingTwiceIsTwoCrossovers() {
    let finding = finder.find(points(noise: 0.01) { $0 < 500 || $0 > 5_000 ? 0.5 : 2 })
    #expect(finding.crossovers.map(\.firstIsCheaperBelow) == [true, false])
  }

  @Test func nothingMeasuredIsNothingFound() {
    #expect(finder.find([]) == CrossoverFinding(crossovers: [], cheaper: .neither))
    #expect(finder.find([CrossoverFinder.Point(bytes: 64, ratios: [])]).crossovers.isEmpty)
  }
}
