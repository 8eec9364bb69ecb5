import Testing

@testable import BenchHarness

@Suite struct NumberTextTests {
  @Test func figuresHaveFourDigits() {
    #expect(Rounded.value(123.4567) == 123.5)
    #expect(Rounded.value(3_333_333.3) == 3_333_000)
    #expect(Rounded.value(0.00123456) == 0.001235)
    #expect(Rounded.value(0) == 0)
    #expect(NumberText.fixed(1_234.567, 1) == "1,234.6")
    #expect(NumberText.fixed(0.05, 2) == "0.05")
    #expect(NumberText.fixed(-0.001, 1) == "0.0")
    #expect(NumberText.short(9.996) == "10.0")
  }
}
