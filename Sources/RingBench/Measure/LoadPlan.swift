import RingKit

/// What both ends do with each buffer of one contender.
struct LoadPlan: Sendable {
  var direction: DMADirection
  var bytes: Int
  var depth: Int
  var batch: Int
  var touch: PayloadTouch
  /// Segments each buffer is cut into, at most ``mostSegments``.
  var segments: Int
  /// Buffers outstanding at most, each with memory of its own.
  var payload: PayloadPool
  /// Whether each publish looks at what the other side wants to be told; ends that only ever poll need not.
  var looksAtEvents = true
  /// Both ends sleep when there is nothing to do and wake each other; `nil`: both poll.
  var doorbells: Doorbells?

  static let mostSegments = 16
}
