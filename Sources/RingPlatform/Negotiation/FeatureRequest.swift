public import RingKit

/// What a driver would like to negotiate.
///
/// VERSION_1 is always asked for: this library speaks no legacy interface.
public struct FeatureRequest: Equatable, Sendable {
  /// Accepted where the device offers them.
  public var understood: VirtioFeatures
  /// Those without which the driver will not run; they count as understood.
  public var required: VirtioFeatures
  /// What holds between the kind's own feature bits, beside ``FeatureDependency/ring``.
  public var dependencies: [FeatureDependency]

  /// A request.
  ///
  /// - Parameters:
  ///   - understood: what to accept where it is offered: all that concerns a ring unless told otherwise. Bits that
  ///     neither concern a ring here nor belong to a kind of device are left out, whatever the device offers: reserved
  ///     ones and those this library does not implement (virtio 1.4, "Feature Bits").
  ///   - required: what to refuse a device without.
  ///   - dependencies: between the kind's own bits.
  public init(
    understood: VirtioFeatures = .allRing, required: VirtioFeatures = [], dependencies: [FeatureDependency] = []
  ) {
    self.understood = understood
    self.required = required
    self.dependencies = dependencies
  }

  /// What may be accepted at all.
  var acceptable: VirtioFeatures {
    understood.union(required).union(.version1).intersection(VirtioFeatures.allRing.union(.anyKind))
  }
}

extension VirtioFeatures {
  /// Every bit that concerns a ring and is implemented here.
  public static let allRing: VirtioFeatures = [
    .indirectDescriptors, .eventIndex, .version1, .accessPlatform, .packedRing, .inOrder, .orderPlatform,
    .notificationData, .ringReset,
  ]

  /// The bits that mean something else with every kind of device: 0 to 23, 42, and 50 upwards.
  ///
  /// 41 is among them by number but taken for administration virtqueues (virtio 1.4, "Feature Bits" and "Reserved
  /// Feature Bits").
  public static let anyKind = VirtioFeatures(rawValue: 0xff_ffff | 1 << 42 | ~0 << 50)
}
