import CRing

/// What the three parts of a round took on one thread: the minimum over all rounds, in nanoseconds.
package struct SingleThreadTimes: Sendable {
  package var add = Double.infinity
  package var serve = Double.infinity
  package var reclaim = Double.infinity

  package init(add: Double = .infinity, serve: Double = .infinity, reclaim: Double = .infinity) {
    self.add = add
    self.serve = serve
    self.reclaim = reclaim
  }

  /// Batches through a ring, both ends on this thread: what an instruction counter can look at.
  @inline(never)
  static func runRounds(
    _ rounds: Int, add: () throws(SliceFailure) -> Void, serve: () throws(SliceFailure) -> Void,
    reclaim: () throws(SliceFailure) -> Void
  ) throws(SliceFailure) -> SingleThreadTimes {
    var best = SingleThreadTimes()
    for _ in 0..<rounds {
      let start = cring_nanoseconds()
      try add()
      let added = cring_nanoseconds()
      try serve()
      let served = cring_nanoseconds()
      try reclaim()
      best.add = min(best.add, Double(added &- start))
      best.serve = min(best.serve, Double(served &- added))
      best.reclaim = min(best.reclaim, Double(cring_nanoseconds() &- served))
    }
    return best
  }
}
