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

extension DeviceKind {
  /// What the specification says about which of the kind's own feature bits need which.
  public var featureDependencies: [FeatureDependency] {
    switch self {
    case .network: Self.networkDependencies
    // virtio 1.4, "GPU Device: Feature bits": CONTEXT_INIT needs VIRGL, BLOB_ALIGNMENT needs RESOURCE_BLOB.
    case .gpu:
      [
        FeatureDependency(VirtioFeatures(bits: 4), needs: VirtioFeatures(bits: 0)),
        FeatureDependency(VirtioFeatures(bits: 5), needs: VirtioFeatures(bits: 3)),
      ]
    default: []
    }
  }

  // virtio 1.4, "Network Device: Feature bit requirements", as far as 64 bits reach.
  private static let networkDependencies: [FeatureDependency] = {
    let (checksum, guestChecksum, control) = (0, 1, 17)
    var all: [FeatureDependency] = []
    // GUEST_TSO4, GUEST_TSO6, GUEST_UFO, GUEST_USO4, GUEST_USO6.
    for bit in [7, 8, 10, 54, 55] { all.append(FeatureDependency(.init(bits: bit), needs: .init(bits: guestChecksum))) }
    // HOST_TSO4, HOST_TSO6, HOST_UFO, HOST_USO.
    for bit in [11, 12, 14, 56] { all.append(FeatureDependency(.init(bits: bit), needs: .init(bits: checksum))) }
    // CTRL_RX, CTRL_VLAN, GUEST_ANNOUNCE, MQ, CTRL_MAC_ADDR, VQ_NOTF_COAL, NOTF_COAL, RSS.
    for bit in [18, 19, 21, 22, 23, 52, 53, 60] {
      all.append(FeatureDependency(.init(bits: bit), needs: .init(bits: control)))
    }
    // GUEST_ECN, HOST_ECN, RSC_EXT: one of two.
    all.append(FeatureDependency(.init(bits: 9), needsOneOf: [.init(bits: 7), .init(bits: 8)]))
    all.append(FeatureDependency(.init(bits: 13), needsOneOf: [.init(bits: 11), .init(bits: 12)]))
    all.append(FeatureDependency(.init(bits: 61), needsOneOf: [.init(bits: 11), .init(bits: 12)]))
    // HASH_TUNNEL: the control queue, with RSS or HASH_REPORT.
    all.append(FeatureDependency(.init(bits: 51), needsOneOf: [.init(bits: control, 60), .init(bits: control, 57)]))
    return all
  }()
}

extension VirtioFeatures {
  /// A set of bits by their numbers, each below 64.
  public init(bits: Int...) {
    self.init(rawValue: bits.reduce(0) { $0 | 1 << UInt64($1) })
  }
}
