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
    "\(mode.name), \(ring.name), pool of \(NumberText.bytes(poolBytes)), depth \(depth), \(direction.name), \(bytes) bytes"
  }
}
