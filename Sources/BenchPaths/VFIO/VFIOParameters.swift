import BenchHarness
import RingIOMMU
import RingKit

/// What `ringbench vfio` runs.
package struct VFIOParameters: Encodable, Sendable {
  package var device = ""
  package var paths = VFIOPath.allCases
  package var rings = RingLayout.allCases
  /// Reads of each path on each ring, and as many writes before them with `overwrite`.
  package var requests = 1_000
  package var blockBytes = 4096
  package var depth = 16
  package var queueSize = 64
  package var overwrite = false
  package var fault = true
  package var seed: UInt64 = 1

  package init() {}
}
