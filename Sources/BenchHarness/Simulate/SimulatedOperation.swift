/// What each simulated CPU does over and over.
package struct SimulatedOperation: Equatable, Sendable {
  package var steps: [SimulatedStep]
  /// How many maps and unmaps one pass through the steps stands for: more than 1 where something happens once in so many.
  package var count = 1

  /// Nanoseconds of a pass on a CPU alone.
  package var duration: Double { sum { _ in true } }

  /// By how much CPUs together can surpass one alone at most.
  ///
  /// p / h, where a lock that all of them need is held for h of a period p, or a unit works for h; `nil` where nothing
  /// is shared.
  package var saturation: Double? {
    let busiest = max(
      sum { if case .locked(false, _, _) = $0 { true } else { false } },
      sum { if case .served = $0 { true } else { false } })
    return busiest > 0 ? duration / busiest : nil
  }

  private func sum(_ isCounted: (SimulatedStep) -> Bool) -> Double {
    steps.filter(isCounted).map {
      switch $0 {
      case .work(let time), .locked(_, let time, _), .served(let time): time
      }
    }.reduce(0, +)
  }
}
