import Testing

@testable import BenchHarness

@Suite struct SliceOrderTests {
  @Test(arguments: 1...12)
  func eachComesBehindEachOfTheOthersEquallyOften(count: Int) {
    let rounds = count % 2 == 0 ? count : 2 * count
    var (first, behind) = ([Int: Int](), [[Int]: Int]())
    for round in 0..<rounds {
      let order = SliceOrder.of(count, round: round)
      #expect(order.sorted() == Array(0..<count))
      first[order[0], default: 0] += 1
      for (before, after) in zip(order, order.dropFirst()) { behind[[before, after], default: 0] += 1 }
    }
    #expect(first.count == count && Set(first.values) == [rounds / count])
    #expect(behind.count == count * (count - 1))
    #expect(count == 1 || Set(behind.values) == [rounds / count])
  }

  @Test func roundsGoOnBeyondThat() {
    #expect(SliceOrder.of(3, round: 6) == SliceOrder.of(3, round: 0))
    #expect(SliceOrder.of(4, round: 9) == SliceOrder.of(4, round: 1))
  }
}
