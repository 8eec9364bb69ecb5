import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What both ends do with each buffer of one contender.
package struct LoadPlan: Sendable {
  package var direction: DMADirection
  package var bytes: Int
  package var depth: Int
  package var batch: Int
  package var touch: PayloadTouch
  /// Segments each buffer is cut into, at most ``mostSegments``.
  package var segments: Int
  /// Buffers outstanding at most, each with memory of its own.
  package var payload: PayloadPool
  /// Whether each publish looks at what the other side wants to be told; ends that only ever poll need not.
  package var looksAtEvents = true
  /// Both ends sleep when there is nothing to do and wake each other; `nil`: both poll.
  package var doorbells: Doorbells?

  package init(
    direction: DMADirection, bytes: Int, depth: Int, batch: Int, touch: PayloadTouch, segments: Int,
    payload: PayloadPool, looksAtEvents: Bool = true, doorbells: Doorbells? = nil
  ) {
    self.direction = direction
    self.bytes = bytes
    self.depth = depth
    self.batch = batch
    self.touch = touch
    self.segments = segments
    self.payload = payload
    self.looksAtEvents = looksAtEvents
    self.doorbells = doorbells
  }

  package static let mostSegments = 16
}
