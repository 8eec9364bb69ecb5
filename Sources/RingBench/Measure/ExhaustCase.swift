import RingKit

/// One combination of pool, queue and buffer whose maps are counted.
struct ExhaustCase: Hashable, Sendable {
  var mode: ExhaustMode
  var ring: RingLayout
  var poolBytes: Int
  var areas: Int
  var depth: Int
  var bytes: Int
  var direction: DMADirection

  /// Larger than any mapping can be, so that no retry helps.
  var isBeyondCeiling: Bool { bytes > SwiotlbPool.maximumMappingByteCount }

  /// For an error message.
  var label: String {
    "\(mode.name), \(ring.name), pool of \(NumberText.bytes(poolBytes)), depth \(depth), \(direction.name), \(bytes) bytes"
  }
}
