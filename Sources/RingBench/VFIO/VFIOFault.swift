/// What became of a device that reached for memory which had been taken away from it.
struct VFIOFault: Encodable, Sendable {
  /// Where it reached.
  let iova: String
  /// Whether it set DEVICE_NEEDS_RESET (virtio 1.2, 2.1).
  let deviceNeedsReset: Bool
  let deviceStatus: UInt32
  /// What it said of the request, if anything.
  let requestStatus: String?
  /// That the memory still holds what it held; a run in which it does not ends with exit code 1.
  let memoryUntouched = true
  /// What the kernel logged of it; `nil` where its log may not be read.
  let kernelMessages: [String]?

  /// Whether anybody said so: the device, or the IOMMU through the kernel.
  var isReported: Bool {
    deviceNeedsReset || (requestStatus != nil && requestStatus != "done") || kernelMessages?.isEmpty == false
  }

  private enum CodingKeys: String, CodingKey {
    case iova, deviceNeedsReset, deviceStatus, requestStatus, memoryUntouched, kernelMessages
  }
}
