import Testing

@testable import BenchHarness

@Suite struct CrossoverPredictionTests {
  // S* = bandwidth × (t_map + t_unmap) / k: 10 bytes a nanosecond, 300 ns.
  @Test(arguments: [(1, 3_000.0), (2, 1_500.0)])
  func theFormula(copies: Int, expected: Double) throws {
    let prediction = CrossoverPrediction.solve(
      copies: copies, bandwidth: LogCurve(constant: 10), mapping: LogCurve(constant: 300))
    #expect(abs(try #require(prediction.bytes) / expected - 1) < 1e-3)
  }

  @Test func findingASlotMovesItDown() throws {
    let prediction = CrossoverPrediction.solve(
      copies: 1, bandwidth: LogCurve(constant: 10), mapping: LogCurve(constant: 300), overhead: 100)
    #expect(abs(try #require(prediction.bytes) / 2_000 - 1) < 1e-3)
  }

  // Mapping costs 100 ns and 0.05 ns a byte, copying 0.1: they meet at 2,000.
  @Test func timesAreThoseOfTheSizeItself() throws {
    let sizes = (4...20).map { Double(1 << $0) }
    let mapping = try #require(LogCurve(sizes.map { ($0, 100 + 0.05 * $0) }))
    let prediction = CrossoverPrediction.solve(copies: 1, bandwidth: LogCurve(constant: 10), mapping: mapping)
    #expect(abs(try #require(prediction.bytes) / 2_000 - 1) < 0.05)
  }

  @Test func oneOfThemMayAlwaysBeCheaper() {
    #expect(
      CrossoverPrediction.solve(
        copies: 1, bandwidth: LogCurve(constant: 10), mapping: LogCurve(constant: 50), overhead: 60)
        == .mappingAlwaysCheaper)
    #expect(
      CrossoverPrediction.solve(copies: 1, bandwidth: LogCurve(constant: 1e6), mapping: LogCurve(constant: 300))
        == .copyingAlwaysCheaper)
  }

  @Test func aCurveGoesThroughItsPointsAndOn() throws {
    let curve = try #require(LogCurve([(100, 10), (1_000, 100), (10_000, 200)]))
    #expect(abs(curve.value(at: 100) - 10) < 1e-9)
    #expect(abs(curve.value(at: 1_000) - 100) < 1e-9)
    #expect(abs(curve.value(at: 10) - 1) < 1e-9)
    #expect(abs(curve.value(at: 100_000) - 400) < 1e-9)
    #expect(LogCurve([]) == nil)
    #expect(LogCurve([(0, 5), (10, 0)]) == nil)
  }
}
