import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What `ringbench vfio` found.
package struct VFIOOutcome: Sendable {
  /// A disk or a network device.
  package let kind: DeviceKind
  /// Number of its IOMMU group.
  package let group: Int
  package let rows: [VFIORow]
  /// Of a disk, unless it was not asked for.
  package let fault: VFIOFault?

  package init(kind: DeviceKind, group: Int, rows: [VFIORow], fault: VFIOFault?) {
    (self.kind, self.group, self.rows, self.fault) = (kind, group, rows, fault)
  }
}

/// What one path on one ring of a real device took; each block it read and each frame that came was compared.
package struct VFIORow: Sendable {
  /// So many requests or frames, one after the other as the depth allows.
  package struct Pass: Sendable {
    package let requests: Int
    let nanoseconds: UInt64
    let work: WorkCounts
    /// Times an interrupt ended the driver's sleep.
    package let wakeUps: Int

    package init(requests: Int, nanoseconds: UInt64, work: WorkCounts, wakeUps: Int) {
      (self.requests, self.nanoseconds, self.work, self.wakeUps) = (requests, nanoseconds, work, wakeUps)
    }

    package var nanosecondsPerRequest: Double { Double(nanoseconds) / Double(max(requests, 1)) }
    package func perRequest(_ event: WorkEvent) -> Double { Double(work[event]) / Double(max(requests, 1)) }
  }

  package let path: VFIOPath
  package let ring: RingLayout
  package let features: VirtioFeatures
  /// Of a disk.
  package let sectorCount: UInt64?
  /// Where blocks were overwritten first.
  package let write: Pass?
  /// Of a disk.
  package let read: Pass?
  /// Out and back, of a network device.
  package let frames: Pass?

  package init(
    path: VFIOPath, ring: RingLayout, features: VirtioFeatures, sectorCount: UInt64?, write: Pass?, read: Pass?,
    frames: Pass?
  ) {
    (self.path, self.ring, self.features, self.sectorCount) = (path, ring, features, sectorCount)
    (self.write, self.read, self.frames) = (write, read, frames)
  }
}

/// What `ringbench vfio` runs.
package struct VFIOParameters: Encodable, Sendable {
  package var device = ""
  package var paths = VFIOPath.allCases
  package var rings = RingLayout.allCases
  /// Reads or frames of each path on each ring, and as many writes before reads with `overwrite`.
  package var requests = 1_000
  /// Payload of a disk's request.
  package var blockBytes = 4096
  /// A frame without its header of virtio.
  package var frameBytes = 1514
  /// Outstanding in each queue.
  package var depth = 16
  package var queueSize = 64
  /// Of a disk, a thread for each.
  package var queues = 1
  /// Whether the driver sleeps until the device interrupts.
  package var interrupts = false
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
  let deviceStatus: UInt32
  /// What it said of the request, if anything.
  package let requestStatus: String?
  /// That the memory still holds what it held; a run in which it does not ends with exit code 1.
  let memoryUntouched = true
  /// What the kernel logged of it; `nil` where its log may not be read.
  package let kernelMessages: [String]?

  package init(
    iova: String, deviceNeedsReset: Bool, deviceStatus: UInt32, requestStatus: String?, kernelMessages: [String]?
  ) {
    (self.iova, self.deviceNeedsReset, self.deviceStatus) = (iova, deviceNeedsReset, deviceStatus)
    (self.requestStatus, self.kernelMessages) = (requestStatus, kernelMessages)
  }

  /// Whether it was reported: by the device, or the IOMMU through the kernel.
  package var isReported: Bool {
    deviceNeedsReset || (requestStatus != nil && requestStatus != "done") || kernelMessages?.isEmpty == false
  }

  private enum CodingKeys: String, CodingKey {
    case iova, deviceNeedsReset, deviceStatus, requestStatus, memoryUntouched, kernelMessages
  }
}
