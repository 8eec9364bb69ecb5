public import RingKit

/// What a back-end offers and insists on.
public struct VhostUserOptions: Sendable {
  /// Ring features to offer.
  public var ringFeatures: VirtioFeatures
  /// Protocol features to offer.
  public var protocolFeatures: ProtocolFeatures
  /// Whether guest memory in files that can be shrunk is refused.
  ///
  /// A front-end that shrinks such a file ends this process with SIGBUS; QEMU seals what `memory-backend-memfd` makes and
  /// cannot seal a file of `memory-backend-file`.
  public var mustBeSealed = false

  /// Everything that is spoken here.
  public static let allRingFeatures: VirtioFeatures = [
    .indirectDescriptors, .eventIndex, .version1, .accessPlatform, .packedRing, .inOrder,
  ]
  /// Everything that is spoken here.
  public static let allProtocolFeatures: ProtocolFeatures = [
    .queueCount, .replyAck, .backendRequests, .config, .inflight,
  ]

  /// Offers what is given, everything by default.
  public init(
    ringFeatures: VirtioFeatures = Self.allRingFeatures, protocolFeatures: ProtocolFeatures = Self.allProtocolFeatures
  ) {
    self.ringFeatures = ringFeatures
    self.protocolFeatures = protocolFeatures
  }
}
