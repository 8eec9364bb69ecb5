/// A size at which one path overtakes another.
struct Crossover: Equatable, Sendable {
  var bytes: Estimate
  /// The two measured sizes it lies between, at each of which it is certain who is cheaper.
  var between: ClosedRange<Int>
  /// Which of the two is cheaper at sizes below.
  var firstIsCheaperBelow: Bool
}
