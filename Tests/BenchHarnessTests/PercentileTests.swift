import Testing

@testable import BenchHarness

@Suite struct PercentileTests {
  @Test func medianOfNoneOneTwoAndThree() {
    #expect(Percentile.median([]) == nil)
    #expect(Percentile.median([7]) == 7)
    #expect(Percentile.median([9, 1]) == 5)
    #expect(Percentile.median([9, 1, 2]) == 2)
  }

  @Test func percentilesInterpolateAndStayInside() {
    let values = (0...10).map { Double($0) }.shuffled()
    #expect(Percentile.value(0.9, of: values) == 9)
    #expect(Percentile.value(0.25, of: values) == 2.5)
    #expect(Percentile.value(-1, of: values) == 0)
    #expect(Percentile.value(2, of: values) == 10)
  }
}
