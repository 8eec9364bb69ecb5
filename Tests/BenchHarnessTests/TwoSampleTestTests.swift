import Testing

@testable import BenchHarness

/// Values by scipy 1.17: `mannwhitneyu(a, b, method=…)`, `ttest_ind(a, b, equal_var=False)`.
@Suite struct TwoSampleTestTests {
  private let a = [1.1, 2.3, 3.2, 4.8, 5.0]
  private let b = [2.0, 4.1, 6.3, 7.7, 8.2, 9.9]

  private func isClose(_ value: Double?, _ wanted: Double, within share: Double = 1e-9) -> Bool {
    value.map { abs($0 / wanted - 1) < share } ?? false
  }

  @Test func fewValuesAreRankedExactly() {
    // method="exact"
    #expect(isClose(TwoSampleTest.mannWhitney(a, b), 0.12554112554112554))
    #expect(isClose(TwoSampleTest.mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 0.007936507936507936))
    #expect(isClose(TwoSampleTest.leastMannWhitney(5, 5), 0.007936507936507936))
  }

  @Test func manyValuesAndTiesAreApproximated() {
    // method="asymptotic"
    let x: [Double] = [1, 2, 2, 3, 3, 3, 4, 5, 6, 7]
    let y: [Double] = [2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 9, 10]
    #expect(isClose(TwoSampleTest.mannWhitney(x, y), 0.02841719540712826, within: 1e-6))
    let early = (0..<20).map { Double($0) }
    let late = (10..<40).map { Double($0) + 0.5 }
    #expect(isClose(TwoSampleTest.mannWhitney(early, late), 4.658944398117213e-07, within: 1e-6))
    #expect(TwoSampleTest.mannWhitney([1, 1, 1], [1, 1, 1]) == 1)
    #expect(TwoSampleTest.mannWhitney([], [1]) == nil)
  }

  @Test func meansAreTestedWithoutEqualVariances() {
    #expect(isClose(TwoSampleTest.welch(a, b), 0.05717583203642773, within: 1e-8))
    let slow = [100, 101, 99, 100.5, 99.5]
    #expect(isClose(TwoSampleTest.welch(slow, slow.map { $0 + 10 }), 4.073918328674922e-08, within: 1e-6))
    #expect(TwoSampleTest.welch([1, 1], [1, 1]) == 1 && TwoSampleTest.welch([1, 1], [2, 2]) == 0)
  }

  /// By hand: the smallest times three, the next times two, and never less than one before it.
  @Test func holmCorrectsInTheOrderOfTheValues() {
    let corrected = TwoSampleTest.holm([0.03, 0.01, 0.9])
    #expect(zip(corrected, [0.06, 0.03, 0.9]).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(TwoSampleTest.holm([0.02, 0.02]) == [0.04, 0.04])
    #expect(TwoSampleTest.holm([]) == [])
  }

  /// With several runs the interval is as wide as the runs differ, with one as the values do.
  @Test func theIntervalOfSeveralRunsHoldsTheirDifferences() throws {
    let steady = (0..<50).map { 100 + Double($0 % 5) * 0.1 }
    let runs = [steady, steady.map { $0 * 1.1 }, steady.map { $0 * 0.9 }]
    let one = try #require(BootstrapInterval.ratioOfMedians([steady], to: [steady], seed: 1))
    #expect(one.median == 1 && one.high - one.low < 0.005)
    let several = try #require(BootstrapInterval.ratioOfMedians(runs, to: runs, seed: 1))
    #expect(several.median == 1 && several.low < 0.95 && several.high > 1.05)
    #expect(BootstrapInterval.ratioOfMedians([[]], to: [steady], seed: 1) == nil)
  }
}
