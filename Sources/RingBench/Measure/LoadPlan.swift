import RingKit

/// What both ends do with each buffer of one contender.
struct LoadPlan: Sendable {
  var direction: DMADirection
  var bytes: Int
  var depth: Int
  var batch: Int
  var touch: PayloadTouch
  /// 1, or 2 halves when each buffer goes through an indirect table.
  var segments: Int
  /// Buffers outstanding at most, each with memory of its own.
  var payload: PayloadPool
}
