import BenchHarness
import RingIOMMU
import RingKit

/// What a block device's load is.
package struct BlockPlan: Sendable {
  package let requests: Int
  package let bytes: Int
  package let depth: Int
  package let verifies: Bool
  package let hasFlush: Bool
  /// Requests of one round, each at a place of its own.
  package let window: Int
  package let payload: PayloadPool

  /// Of one request.
  package var sectors: UInt64 { UInt64(bytes / 512) }
}
