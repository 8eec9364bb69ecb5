import BenchHarness
import RingIOMMU
import RingKit

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

  /// Whether anybody said so: the device, or the IOMMU through the kernel.
  package var isReported: Bool {
    deviceNeedsReset || (requestStatus != nil && requestStatus != "done") || kernelMessages?.isEmpty == false
  }

  private enum CodingKeys: String, CodingKey {
    case iova, deviceNeedsReset, deviceStatus, requestStatus, memoryUntouched, kernelMessages
  }
}
