/// A size at which one path overtakes another.
package struct Crossover: Equatable, Sendable {
  package var bytes: Estimate
  /// The two measured sizes it lies between, at each of which it is certain who is cheaper.
  package var between: ClosedRange<Int>
  /// Which of the two is cheaper at sizes below.
  package var firstIsCheaperBelow: Bool
}
