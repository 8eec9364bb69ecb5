import Testing

@testable import BenchHarness

@Suite struct BootstrapIntervalTests {
  @Test func sameSeedSameInterval() {
    let values = (0..<40).map { Double(($0 * 37) % 41) }
    #expect(BootstrapInterval.median(of: values, seed: 3) == BootstrapInterval.median(of: values, seed: 3))
  }

  @Test func constantsAndSinglesHaveNoSpread() {
    #expect(BootstrapInterval.median(of: [], seed: 1) == nil)
    #expect(BootstrapInterval.median(of: [4], seed: 1) == .exactly(4))
    #expect(BootstrapInterval.median(of: [4, 4, 4, 4], seed: 1) == .exactly(4))
  }

  // Against the order statistics that bound a median at 95 % of 101 values: ranks 41 and 61 of the sorted sample.
  @Test func agreesWithTheBinomialInterval() throws {
    let interval = try #require(BootstrapInterval.median(of: (1...101).map { Double($0) }, seed: 11))
    #expect(interval.median == 51)
    #expect(abs(interval.low - 41) <= 2)
    #expect(abs(interval.high - 61) <= 2)
  }

  // About 95 of 100 samples of a known distribution must cover its median.
  @Test func coversTheTrueMedian() throws {
    var generator = SeededGenerator(seed: 99)
    var covered = 0
    for trial in 0..<100 {
      let sample = (0..<25).map { _ in Double.random(in: 0...1, using: &generator) }
      let interval = try #require(BootstrapInterval.median(of: sample, seed: UInt64(trial)))
      if interval.low <= 0.5, interval.high >= 0.5 { covered += 1 }
    }
    #expect((86...100).contains(covered))
  }

  @Test func pairedRatiosCancelWhatBothSaw() throws {
    // Both sides drift twentyfold; the ratio does not.
    let pairs = (1...20).map { (numerator: 3 * Double($0), denominator: Double($0)) }
    let ratio = try #require(BootstrapInterval.medianOfRatios(pairs, seed: 1))
    #expect(ratio == .exactly(3))
  }

  @Test func aDenominatorOfZeroIsNoPair() {
    #expect(BootstrapInterval.medianOfRatios([(numerator: 1, denominator: 0)], seed: 1) == nil)
  }

  @Test func aRateTurnsTheIntervalAround() {
    let rate = Estimate(median: 100, low: 50, high: 200).reciprocal(times: 1e9)
    #expect(rate == Estimate(median: 1e7, low: 5e6, high: 2e7))
  }
}
