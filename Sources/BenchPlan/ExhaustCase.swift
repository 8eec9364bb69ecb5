import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// One combination of pool, queue and buffer whose maps are counted.
package struct ExhaustCase: Hashable, Sendable {
  package var mode: ExhaustMode
  package var ring: RingLayout
  package var poolBytes: Int
  package var areas: Int
  package var depth: Int
  package var bytes: Int
  package var direction: DMADirection

  package init(
    mode: ExhaustMode, ring: RingLayout, poolBytes: Int, areas: Int, depth: Int, bytes: Int, direction: DMADirection
  ) {
    self.mode = mode
    self.ring = ring
    self.poolBytes = poolBytes
    self.areas = areas
    self.depth = depth
    self.bytes = bytes
    self.direction = direction
  }

  /// Larger than any mapping can be, so that no retry helps.
  package var isBeyondCeiling: Bool { bytes > SwiotlbPool.maximumMappingByteCount }

  /// For an error message.
  package var label: String {
    "\(mode.name), \(ring.name), pool of \(NumberText.bytes(poolBytes)), depth \(depth), \(direction.name), \(bytes) "
      + "bytes"
  }
}

/// How the two ends of an exhausted queue take turns.
package enum ExhaustMode: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// On one thread, the device a batch at a time: the same counts on every machine.
  case interleaved
  /// Each end on a pinned thread of its own: counts depend on which end is faster.
  case threads

  package static let noun = "mode"
}

/// What became of the maps of one exhausted queue.
package struct ExhaustTally: Equatable, Sendable {
  /// Maps tried, those that failed included.
  package var attempts = 0
  /// Maps that failed for want of slots.
  package var failures = 0
  /// Attempts for a buffer that had failed before.
  package var retries = 0
  /// Buffers whose first attempt failed.
  package var delayedBuffers = 0
  /// The most attempts one buffer took.
  package var mostAttempts = 0
  /// The most buffers that were outstanding: what is left of the depth.
  package var mostOutstanding = 0
  /// Buffers that came back, in order and with every byte right.
  package var delivered = 0

  package init() {}
}
