package import RingKit
package import RingKitTesting

/// A queue with both ends, its memory between guards, and an observer's view of the ring.
package final class Rig: @unchecked Sendable {
  package let layout: RingLayout
  package let path: DMAPath
  package let configuration: QueueConfiguration
  package let memory: GuestMemory
  package let ring: GuardedArea
  package let tables: GuardedArea
  package let payload: GuardedArea
  package let plan = FaultPlan()
  package let pool: SwiotlbPool
  package let arena: PoisoningArena
  package let shadow: GuestBuffer
  /// Whether driver and device may run on threads of their own.
  package let hasThreads: Bool
  // The device goes first: a driver that unmaps as it goes must not wait for a device that no longer answers.
  package private(set) var device: DeviceEnd = DeviceEnd()
  package private(set) var driver: DriverEnd = DriverEnd()
  // Behind both ends: a server ends when they have closed their connections.
  private var kept: [AnyObject] = []

  package static let payloadBase: UInt64 = 0x1000_0000
  /// Bytes of payload for each descriptor of the ring.
  package static let slotByteCount = 128
  /// Bytes of a shadow buffer: enough for an indirect table.
  package static let shadowByteCount = 512

  /// Sets a queue up; VERSION_1 and RING_PACKED are added to the features.
  ///
  /// With `threads`, driver and device may run on threads of their own.
  package init(
    _ layout: RingLayout, _ path: DMAPath = .direct, size: Int, features: VirtioFeatures = [],
    indirectCapacity: Int? = nil, payloadByteCount: Int? = nil, threads: Bool = false
  ) throws {
    self.layout = layout
    self.path = path
    let all = features.union(layout == .packed ? [.version1, .packedRing] : [.version1])
    configuration = QueueConfiguration(
      size: size, features: all, indirectCapacity: indirectCapacity ?? min(size, 8))
    let payloadBytes = payloadByteCount ?? max(size * Self.slotByteCount, 4096)
    let ringBytes = layout == .split ? SplitRing.byteCount(size: size) : PackedRing.byteCount(size: size)
    let tableBytes = max(configuration.indirectByteCount, 16)
    let shared = try MemoryRegion(
      at: GuestPhysicalAddress(0x10_0000), byteCount: ringBytes + 16_384)
    let room = payloadBytes + tableBytes + 8 * 4096
    let hidden = try MemoryRegion(
      at: GuestPhysicalAddress(Self.payloadBase), byteCount: room, isShared: !path.isBouncing)
    // Every element of a full ring's chains, and their tables, may be in the pool at a time.
    let slots = 2 * size + 64
    let shadowBytes = ShadowMapper<CountedWork>.byteCount(
      slots: path.usesShadow ? slots + size * configuration.indirectCapacity : 1, slotByteCount: Self.shadowByteCount)
    let poolBytes = path == .swiotlb || path == .dmaMask ? (slots * 2048 + 262_143) / 262_144 * 262_144 : 262_144
    let arenaBytes = path == .poisoning ? (slots + size * configuration.indirectCapacity) * 512 : 4096
    let bounce = try MemoryRegion(
      at: GuestPhysicalAddress(path == .dmaMask ? 0x100_0000 : 0x8000_0000),
      byteCount: poolBytes + arenaBytes + shadowBytes)
    memory = try GuestMemory([shared, hidden, bounce])
    var inShared = RegionAllocator(shared)
    ring = try GuardedArea(ringBytes, from: &inShared)
    var inPrivate = RegionAllocator(hidden)
    tables = try GuardedArea(tableBytes, from: &inPrivate)
    payload = try GuardedArea(payloadBytes, from: &inPrivate)
    var inBounce = RegionAllocator(bounce)
    pool = try SwiotlbPool(inBounce.allocate(poolBytes, alignment: 4096))
    arena = PoisoningArena(
      try inBounce.allocate(arenaBytes, alignment: 512), partByteCount: 512)
    shadow = try inBounce.allocate(shadowBytes)
    hasThreads = threads
    try path.connect(self)
  }

  /// The device's side of every path without an IOMMU.
  package var regions: RegionTranslator<CountedWork> { RegionTranslator(memory: memory, counter: CountedWork()) }

  /// Holds on to what must outlive both ends.
  package func keep(_ object: AnyObject) { kept.append(object) }

  /// Makes both ends; what a ``DMAPath`` calls, once.
  package func connect<Mapper: ResumableMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws {
    let size = configuration.size
    switch layout {
    case .split:
      let parts = try SplitRing(in: ring.buffer, size: size)
      driver = DriverBox(
        try SplitDriverQueue(configuration, ring: parts, indirectTables: tables.buffer, mapper: mapper))
      device = DeviceBox(try SplitDeviceQueue(configuration, ring: parts, translator: translator))
    case .packed:
      let parts = try PackedRing(in: ring.buffer, size: size)
      driver = DriverBox(
        try PackedDriverQueue(configuration, ring: parts, indirectTables: tables.buffer, mapper: mapper))
      device = DeviceBox(try PackedDeviceQueue(configuration, ring: parts, translator: translator))
    }
  }
}
