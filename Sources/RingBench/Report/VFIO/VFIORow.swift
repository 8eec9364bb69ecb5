import RingKit
import VhostUser

/// What one path on one ring of a real device took; each block it read was compared.
struct VFIORow: Sendable {
  /// So many requests, one after the other as the depth allows.
  struct Pass: Sendable {
    let requests: Int
    let nanoseconds: UInt64
    let work: WorkCounts

    var nanosecondsPerRequest: Double { Double(nanoseconds) / Double(max(requests, 1)) }
    func perRequest(_ event: WorkEvent) -> Double { Double(work[event]) / Double(max(requests, 1)) }
  }

  let path: VFIOPath
  let ring: RingLayout
  let features: VirtioFeatures
  let limits: BlockLimits
  /// Where blocks were overwritten first.
  let write: Pass?
  let read: Pass
}
