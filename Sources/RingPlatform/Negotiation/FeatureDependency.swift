public import RingKit

/// A feature that may be accepted only together with others.
public struct FeatureDependency: Equatable, Sendable {
  /// The feature that depends: one bit.
  public let feature: VirtioFeatures
  /// What it needs: all of one of these sets.
  public let alternatives: [VirtioFeatures]

  /// A feature that needs all of `features`.
  public init(_ feature: VirtioFeatures, needs features: VirtioFeatures) {
    self.init(feature, needsOneOf: [features])
  }

  /// A feature that needs all of one of several sets.
  public init(_ feature: VirtioFeatures, needsOneOf alternatives: [VirtioFeatures]) {
    self.feature = feature
    self.alternatives = alternatives
  }

  func isMet(by features: VirtioFeatures) -> Bool { alternatives.contains { features.isSuperset(of: $0) } }
}

extension FeatureDependency {
  /// Between the bits that every kind of device shares.
  ///
  /// Bits above 31 exist only with VERSION_1: through the legacy interface only bits 0 to 31 can be accepted (virtio
  /// 1.4, "Legacy Interfaces: A Note on PCI Device Layout", and "Feature Bits" of the others). INDIRECT_DESC and
  /// EVENT_IDX are older than that and need nothing; no ring feature needs another, nor excludes one.
  public static let ring: [FeatureDependency] = [
    VirtioFeatures.accessPlatform, .packedRing, .inOrder, .orderPlatform, .notificationData, .ringReset,
  ].map { FeatureDependency($0, needs: .version1) }
}
