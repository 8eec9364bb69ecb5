public import RingKit

/// Why a driver will not, or cannot, use a device.
public enum NegotiationError: Error, Equatable, Sendable {
  /// A feature that the platform or the driver cannot do without is not offered.
  case notOffered(VirtioFeatures, because: FeatureReason)
  /// A required feature is offered without those it needs.
  case unmetDependency(VirtioFeatures, needs: [VirtioFeatures])
  /// A required feature is offered, and a secure platform must not accept it from this kind of device.
  case withheld(VirtioFeatures, DeviceKind)
  /// Devices of this kind cannot be on the platform.
  case kindRefused(DeviceKind, reason: String)
  /// The device cleared FEATURES_OK: it will not work with these features.
  case featuresRefused(VirtioFeatures)
  /// The device offers other features than before FEATURES_OK.
  case offerChanged(from: VirtioFeatures, to: VirtioFeatures)
  /// The device set DEVICE_NEEDS_RESET: begin again.
  case needsReset
  /// The status is not what was written: the device was reset behind the driver's back, or invents bits.
  case unexpectedStatus(DeviceStatus, expected: DeviceStatus)
  /// The device still does not read 0 after a reset.
  case resetIncomplete(DeviceStatus)
  /// The transport failed.
  case transport(TransportError)
}

extension NegotiationError: CustomStringConvertible {
  /// One sentence that names the bit, and the QEMU option that would offer it.
  public var description: String {
    switch self {
    case .notOffered(let feature, let reason):
      "the device does not offer \(feature), \(reason)\(Self.option(for: feature))"
    case .unmetDependency(let feature, let needs):
      "the device offers \(feature) without \(needs.map(\.description).joined(separator: " or ")), which it needs"
    case .withheld(let feature, let kind):
      "\(feature) of \(kind.name) cannot be accepted on a secure platform: \(kind.demand.restriction ?? "")"
    case .kindRefused(let kind, let reason): "\(kind.name) refused: \(reason)"
    case .featuresRefused(let features): "the device cleared FEATURES_OK: it will not work with \(features)"
    case .offerChanged(let before, let now):
      "the device offered \(before) before FEATURES_OK and \(now) after it"
    case .needsReset: "the device set DEVICE_NEEDS_RESET: reset it and begin again"
    case .unexpectedStatus(let found, let expected): "the device's status is \(found), not \(expected)"
    case .resetIncomplete(let found): "the device was reset, and its status is \(found), not 0"
    case .transport(let error): error.description
    }
  }

  private static func option(for feature: VirtioFeatures) -> String {
    guard let option = feature.qemuOption else { return "" }
    return "; QEMU's device option \(option) offers it"
  }
}

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
  /// The option of a QEMU device (`-device virtio-…,OPTION`) that makes it offer this one bit; `nil` where there is
  /// none.
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
