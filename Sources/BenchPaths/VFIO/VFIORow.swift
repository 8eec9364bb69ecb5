import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What one path on one ring of a real device took; each block it read was compared.
package struct VFIORow: Sendable {
  /// So many requests, one after the other as the depth allows.
  package struct Pass: Sendable {
    package let requests: Int
    package let nanoseconds: UInt64
    package let work: WorkCounts

    package var nanosecondsPerRequest: Double { Double(nanoseconds) / Double(max(requests, 1)) }
    package func perRequest(_ event: WorkEvent) -> Double { Double(work[event]) / Double(max(requests, 1)) }
  }

  package let path: VFIOPath
  package let ring: RingLayout
  package let features: VirtioFeatures
  package let limits: BlockLimits
  /// Where blocks were overwritten first.
  package let write: Pass?
  package let read: Pass
}
