public import RingKit

/// What a back-end offers and insists on.
public struct VhostUserOptions: Sendable {
  /// Ring features to offer.
  public var ringFeatures: VirtioFeatures
  /// Protocol features to offer.
  public var protocolFeatures: ProtocolFeatures
  /// Whether memory in files that can be shrunk is refused, that for notes of what is in flight too, and huge pages
  /// that the machine does not have.
  ///
  /// A front-end that takes pages of its memory away ends its connection; this refuses to begin one where that is
  /// easily done. QEMU seals what `memory-backend-memfd` makes and cannot seal a file of `memory-backend-file`. Pages
  /// of a sealed file of huge pages can be taken away all the same.
  public var mustBeSealed = false

  /// Everything that is spoken here.
  public static let allRingFeatures: VirtioFeatures = [
    .indirectDescriptors, .eventIndex, .version1, .accessPlatform, .packedRing, .inOrder,
  ]
  /// Everything that is spoken here and does no harm.
  ///
  /// Not ``ProtocolFeatures/status``: QEMU 7.2 writes 0, a reset, before it asks where a queue was stopped; a device
  /// that holds buffers has lost them then.
  public static let allProtocolFeatures: ProtocolFeatures = [
    .queueCount, .logSharedMemory, .replyAck, .backendRequests, .config, .inflight, .resetDevice,
  ]

  /// Offers what is given; by default all of it.
  public init(
    ringFeatures: VirtioFeatures = Self.allRingFeatures, protocolFeatures: ProtocolFeatures = Self.allProtocolFeatures
  ) {
    self.ringFeatures = ringFeatures
    self.protocolFeatures = protocolFeatures
  }
}
