public import RingKit

/// What driver and device have agreed on; fixed until the device is reset.
public struct NegotiatedFeatures: Equatable, Sendable {
  /// Whose features they are.
  public let kind: DeviceKind
  /// What the device offered.
  public let offered: VirtioFeatures
  /// What both will use; never a bit that was not offered.
  public let accepted: VirtioFeatures

  /// Whether descriptors must hold plain guest-physical addresses.
  ///
  /// True without ACCESS_PLATFORM: the device then takes them for what they are, whatever IOMMU the platform describes
  /// (virtio 1.4, "Reserved Feature Bits"). Paths that translate or bounce are of no use then.
  public var needsPhysicalAddresses: Bool { !accepted.contains(.accessPlatform) }

  /// Whether queues are packed rings.
  public var isPacked: Bool { accepted.contains(.packedRing) }

  /// A queue of `size` descriptors with these features, those of the kind left out.
  public func configuration(size: Int, indirectCapacity: Int? = nil) -> QueueConfiguration {
    QueueConfiguration(
      size: size, features: accepted.intersection(.allRing), indirectCapacity: indirectCapacity)
  }
}
