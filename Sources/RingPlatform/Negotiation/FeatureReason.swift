public import RingKit

/// Why a device has to offer a feature.
public enum FeatureReason: Equatable, Sendable {
  /// Guest memory is out of the device's reach, so the driver must be free to choose the addresses it hands over.
  case securePlatform
  /// The library speaks no legacy interface.
  case noLegacyInterface
  /// The driver asked for it.
  case driver
}

extension FeatureReason: CustomStringConvertible {
  /// The rest of a sentence that begins with the feature.
  public var description: String {
    switch self {
    case .securePlatform: "and a secure platform needs it: the device cannot reach the guest's own memory"
    case .noLegacyInterface: "and there is no legacy interface here"
    case .driver: "and the driver requires it"
    }
  }
}

extension VirtioFeatures {
  /// The option of a QEMU device (`-device virtio-…,OPTION`) that makes it offer this one bit; `nil` where there is none.
  public var qemuOption: String? {
    switch self {
    case .version1: "disable-legacy=on"
    case .accessPlatform: "iommu_platform=on"
    case .packedRing: "packed=on"
    case .indirectDescriptors: "indirect_desc=on"
    case .eventIndex: "event_idx=on"
    case .ringReset: "queue_reset=on"
    default: nil
    }
  }
}
