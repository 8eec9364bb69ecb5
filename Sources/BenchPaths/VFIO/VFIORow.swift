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

/// How a buffer gets its address on a device behind a real IOMMU.
package enum VFIOPath: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Everything mapped once.
  case premapped
  /// Each segment mapped and unmapped by the IOMMU.
  case iommuReal = "iommu-real"
  /// Everything copied through a pool that is mapped once.
  case swiotlb

  package static let noun = "path"
}

/// What became of a device that reached for memory which had been taken away from it.
package struct VFIOFault: Encodable, Sendable {
  /// Where it reached.
  package let iova: String
  /// Whether it set DEVICE_NEEDS_RESET (virtio 1.2, 2.1).
  package let deviceNeedsReset: Bool
  package let deviceStatus: UInt32
  /// What it said of the request, if anything.
  package let requestStatus: String?
  /// That the memory still holds what it held; a run in which it does not ends with exit code 1.
  package let memoryUntouched = true
  /// What the kernel logged of it; `nil` where its log may not be read.
  package let kernelMessages: [String]?

  /// Whether it was reported: by the device, or the IOMMU through the kernel.
  package var isReported: Bool {
    deviceNeedsReset || (requestStatus != nil && requestStatus != "done") || kernelMessages?.isEmpty == false
  }

  private enum CodingKeys: String, CodingKey {
    case iova, deviceNeedsReset, deviceStatus, requestStatus, memoryUntouched, kernelMessages
  }
}
