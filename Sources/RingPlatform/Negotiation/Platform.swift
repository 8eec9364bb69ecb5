public import RingKit

/// What a guest's machine lets devices see, and which devices it therefore takes.
///
/// A value without state; any thread may use it. It decides at set-up and is nowhere on a buffer's way.
public struct Platform: Equatable, Sendable {
  /// Whether the guest's private memory is out of every device's reach.
  ///
  /// Only regions with `MemoryRegion.isShared` are ever mapped by a device: rings, and what buffers are bounced
  /// through.
  public let isSecure: Bool
  /// Whether a secure platform takes kinds of device of which the specification does not say what they demand.
  public let admitsUnspecifiedKinds: Bool

  /// A platform.
  ///
  /// - Parameters:
  ///   - secure: whether the guest's private memory is out of every device's reach.
  ///   - admitsUnspecifiedKinds: whether to take kinds that the specification only numbers, although it is secure: for
  ///     a caller that knows from elsewhere that all their data goes through queues.
  public init(secure: Bool, admitsUnspecifiedKinds: Bool = false) {
    isSecure = secure
    self.admitsUnspecifiedKinds = admitsUnspecifiedKinds
  }

  /// Takes a kind of device, or says why not.
  ///
  /// - Throws: ``NegotiationError/kindRefused(_:reason:)``, on a secure platform only.
  public func admit(_ kind: DeviceKind) throws(NegotiationError) {
    guard isSecure else { return }
    switch kind.demand.verdict {
    case .bounces, .restricted: return
    case .refused: throw .kindRefused(kind, reason: kind.demand.reason)
    case .unspecified: if !admitsUnspecifiedKinds { throw .kindRefused(kind, reason: kind.demand.reason) }
    }
  }

  /// What to accept of an offer: everything both sides understand whose needs are met.
  ///
  /// - Throws: ``NegotiationError/kindRefused(_:reason:)``, ``NegotiationError/notOffered(_:because:)``,
  ///   ``NegotiationError/unmetDependency(_:needs:)``, ``NegotiationError/withheld(_:_:)``.
  public func accept(
    _ offered: VirtioFeatures, of kind: DeviceKind, for request: FeatureRequest = FeatureRequest()
  ) throws(NegotiationError) -> NegotiatedFeatures {
    try admit(kind)
    var accepted = request.acceptable.intersection(offered)
    guard accepted.contains(.version1) else {
      throw .notOffered(.version1, because: isSecure ? .securePlatform : .noLegacyInterface)
    }
    if isSecure {
      guard offered.contains(.accessPlatform) else { throw .notOffered(.accessPlatform, because: .securePlatform) }
      accepted.insert(.accessPlatform)
      let withheld = kind.demand.withheld
      if let bit = withheld.intersection(request.required).lowestBit { throw .withheld(bit, kind) }
      accepted.subtract(withheld)
    } else if kind.handsOverPhysicalAddresses {
      // As Linux's balloon driver does for itself: what it hands over means physical memory and nothing else.
      accepted.remove(.accessPlatform)
    }
    let dependencies = FeatureDependency.ring + kind.featureDependencies + request.dependencies
    // Leaving one out may leave another without what it needs.
    while let unmet = dependencies.first(where: { accepted.contains($0.feature) && !$0.isMet(by: accepted) }) {
      if request.required.contains(unmet.feature) {
        throw .unmetDependency(unmet.feature, needs: unmet.alternatives)
      }
      accepted.remove(unmet.feature)
    }
    if let missing = request.required.subtracting(accepted).lowestBit { throw .notOffered(missing, because: .driver) }
    return NegotiatedFeatures(kind: kind, offered: offered, accepted: accepted)
  }
}

extension VirtioFeatures {
  /// The lowest bit that is set, to name one of several.
  var lowestBit: VirtioFeatures? {
    rawValue == 0 ? nil : VirtioFeatures(rawValue: rawValue & (0 &- rawValue))
  }
}

extension Platform {
  /// Whether devices reach memory that is shared or not (`MemoryRegion.isShared`), so that its address may be handed
  /// to one as it is.
  ///
  /// A path that hands over what the caller submits (`DirectMapper`, `IdentityMapper`) is of use only where this is
  /// true of every buffer; elsewhere buffers have to be bounced.
  public func exposes(isShared: Bool) -> Bool { !isSecure || isShared }
}

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
