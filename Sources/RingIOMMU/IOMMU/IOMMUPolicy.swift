/// When an unmapped range stops being reachable for the device (Linux: `iommu.strict=1` and `iommu.strict=0`).
@frozen
public enum IOMMUPolicy: UInt8, Sendable, CaseIterable {
  /// Before the unmap returns: each one posts an invalidation and waits for it.
  case strict
  /// With the next flush of the whole domain: after 255 unmaps, after 10 ms, or when asked. Until then an IOTLB entry
  /// that was filled before still translates: the window in which a misbehaving device reaches memory it gave back.
  case lazy
}
