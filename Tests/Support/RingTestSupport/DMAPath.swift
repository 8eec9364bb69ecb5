internal import RingKit
internal import RingKitTesting

/// A DMA path that the suites run on: how both ends of a queue get it, and what a suite may expect of it.
///
/// The paths of RingKit are here; the tests of a module above add theirs. A path without an IOMMU is another constant
/// here.
package struct DMAPath: Sendable, CustomStringConvertible {
  /// What a path promises about memory that is not mapped.
  package enum Protection: Sendable {
    /// The device reaches all memory.
    case none
    /// The device reaches what the path has mapped, whichever buffers use it now.
    case memory
    /// The device reaches each buffer while it is mapped, in the buffer's direction alone.
    case mapping
  }

  /// The name on the command line and in documents.
  package let name: String
  /// Whether the device never sees the payload itself: the payload is private to the guest.
  package let isBouncing: Bool
  /// Whether each buffer takes system calls, so that as many buffers as elsewhere would take minutes.
  package let entersTheKernel: Bool
  /// What the path promises.
  package let protection: Protection
  /// The longest segment that the path takes in a ``Rig``.
  package let longestSegment: Int
  /// Whether each map is undone by an unmap.
  package let mapsEachBuffer: Bool
  /// Whether it copies into shadow buffers, of which there are many.
  package let usesShadow: Bool
  /// Gives a rig its queue.
  package let connect: @Sendable (Rig) throws -> Void

  package init(
    _ name: String, isBouncing: Bool = false, entersTheKernel: Bool = false, protection: Protection = .none,
    longestSegment: Int = .max, mapsEachBuffer: Bool = true, usesShadow: Bool = false,
    connect: @escaping @Sendable (Rig) throws -> Void
  ) {
    self.name = name
    self.isBouncing = isBouncing
    self.entersTheKernel = entersTheKernel
    self.protection = protection
    self.longestSegment = longestSegment
    self.mapsEachBuffer = mapsEachBuffer
    self.usesShadow = usesShadow
    self.connect = connect
  }

  package var description: String { name }

  package static func == (a: DMAPath, b: DMAPath) -> Bool { a.name == b.name }
}

extension DMAPath: Equatable {
  /// The paths of RingKit and of the tests.
  package static let plain: [DMAPath] = [
    direct, faultInjecting, identity, identityRetpoline, swiotlb, shadow, dmaMask, poisoning,
  ]

  package static let direct = DMAPath("direct") { rig in
    try rig.connect(DirectMapper(memory: rig.memory, counter: CountedWork()), rig.regions)
  }
  package static let faultInjecting = DMAPath("fault-injecting") { rig in
    let direct = DirectMapper(memory: rig.memory, counter: CountedWork())
    try rig.connect(FaultInjectingMapper(direct, plan: rig.plan), rig.regions)
  }
  package static let identity = DMAPath("identity") { rig in
    try rig.connect(IdentityMapper(memory: rig.memory, counter: CountedWork()), rig.regions)
  }
  package static let identityRetpoline = DMAPath("identity-retpoline") { rig in
    try rig.connect(IdentityMapper(memory: rig.memory, dispatch: .retpoline, counter: CountedWork()), rig.regions)
  }
  package static let swiotlb = DMAPath("swiotlb", isBouncing: true, protection: .memory) { rig in
    try rig.connect(SwiotlbMapper(memory: rig.memory, pool: rig.pool, counter: CountedWork()), rig.regions)
  }
  package static let shadow = DMAPath(
    "shadow", isBouncing: true, protection: .memory, longestSegment: Rig.shadowByteCount, usesShadow: true
  ) { rig in
    let mapper = try ShadowMapper(
      memory: rig.memory, buffer: rig.shadow, slotByteCount: Rig.shadowByteCount, counter: CountedWork())
    try rig.connect(mapper, rig.regions)
  }
  /// Payload on both sides of the mask, so that chains mix what is handed over with what is bounced.
  package static let dmaMask = DMAPath("dma-mask") { rig in
    // In the middle of the payload, and of a segment there.
    let mask = rig.payload.buffer.address.rawValue + 64 + 20
    try rig.connect(
      DMAMaskMapper(mask: mask, memory: rig.memory, pool: rig.pool, counter: CountedWork()), rig.regions)
  }
  package static let poisoning = DMAPath("poisoning", isBouncing: true) { rig in
    try rig.connect(PoisoningMapper(memory: rig.memory, arena: rig.arena, counter: CountedWork()), rig.regions)
  }
}

/// Which of the two layouts a test runs on.
package enum RingLayout: String, CaseIterable, Sendable {
  case split
  case packed
}
