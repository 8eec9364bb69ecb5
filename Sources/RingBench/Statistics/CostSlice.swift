import RingKit

/// One slice of a run: one combination, measured once.
struct CostSlice: Sendable {
  /// What was measured.
  struct Combination: Hashable, Sendable {
    var ring: RingLayout
    var path: DMAPath
    var direction: DMADirection
    var bytes: Int

    /// What it is compared with.
    var baseline: Combination {
      Combination(ring: ring, path: .direct, direction: direction, bytes: bytes)
    }
  }

  var combination: Combination
  /// Slices of one round were measured one after another; a ratio is taken only within a round.
  var round: Int
  var nanosecondsPerBuffer: Double
  var conditions: SliceConditions
}
