import CPeer
import RingKit
import RingKitTestSupport

/// A queue with both ends, its memory between guards, and an observer's view of the ring.
final class Rig: @unchecked Sendable {
  let layout: RingLayout
  let path: DMAPath
  let configuration: QueueConfiguration
  let memory: GuestMemory
  let ring: GuardedArea
  let tables: GuardedArea
  let payload: GuardedArea
  let plan = FaultPlan()
  let pool: SwiotlbPool
  let arena: PoisoningArena
  let shadow: GuestBuffer
  let domain: IOMMUDomain
  // The device goes first: a driver that unmaps as it goes must not wait for a device that no longer answers.
  private(set) var device: DeviceEnd = DeviceEnd()
  private(set) var driver: DriverEnd = DriverEnd()
  // Behind both ends: it ends when they have closed their connections.
  private var vmm: ViommuThread?
  private var shared: SharedDomainPair?

  static let payloadBase: UInt64 = 0x1000_0000
  /// Bytes of payload for each descriptor of the ring.
  static let slotByteCount = 128
  /// Bytes of a shadow buffer: enough for an indirect table.
  static let shadowByteCount = 512

  /// Sets a queue up; VERSION_1 and RING_PACKED are added to the features.
  ///
  /// With `threads`, driver and device may run on threads of their own.
  init(
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
      at: GuestPhysicalAddress(Self.payloadBase), byteCount: room, visibility: path.isBouncing ? .private : .shared)
    // Every element of a full ring's chains, and their tables, may be in the pool at a time.
    let slots = 2 * size + 64
    let shadowBytes = ShadowMapper<CountedWork>.byteCount(
      slots: slots + size * configuration.indirectCapacity, slotByteCount: Self.shadowByteCount)
    let poolBytes = path == .swiotlb || path == .dmaMask ? (slots * 2048 + 262_143) / 262_144 * 262_144 : 262_144
    let arenaBytes = path == .poisoning ? (slots + size * configuration.indirectCapacity) * 512 : 4096
    let bounce = try MemoryRegion(
      at: GuestPhysicalAddress(path == .dmaMask ? 0x100_0000 : 0x8000_0000),
      byteCount: poolBytes + arenaBytes + shadowBytes, visibility: .shared)
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
    var iommu = IOMMUConfiguration()
    iommu.servedBy = threads ? .deviceThread : .waiter
    domain = IOMMUDomain(memory: memory, configuration: iommu)
    try assemble()
  }

  private func assemble() throws {
    let work = CountedWork()
    let mine = RegionTranslator(memory: memory, counter: work)
    switch path {
    case .direct: try connect(DirectMapper(counter: work), mine)
    case .faultInjecting: try connect(FaultInjectingMapper(work: work, plan: plan), mine)
    case .identity: try connect(IdentityMapper(counter: work), mine)
    case .identityRetpoline: try connect(IdentityMapper(dispatch: .retpoline, counter: work), mine)
    case .iommuStrict:
      try connect(IOMMUMapper(domain: domain, policy: .strict, counter: work), translator(work))
    case .iommuLazy: try connect(IOMMUMapper(domain: domain, policy: .lazy, counter: work), translator(work))
    case .premapped:
      try connect(PremappedMapper([payload.buffer, tables.buffer], domain: domain, counter: work), translator(work))
    case .iommuMerged:
      let mapper = IOMMUMapper(domain: domain, policy: .strict, counter: work)
      try connect(
        FragmentMapper(mapper, [payload.buffer, tables.buffer], fragmentByteCount: 4096), translator(work))
    case .iommuShared: try connectShared(.strict, work)
    case .iommuSharedLazy: try connectShared(.lazy, work)
    case .viommuProcess:
      let vmm = try ViommuThread()
      self.vmm = vmm
      try connect(
        ViommuMapper(domain: domain, exit: vmm.driver(), counter: work),
        ViommuTranslator(domain: domain, client: vmm.device(), counter: work))
    case .viommuInjected:
      try connect(
        ViommuMapper(domain: domain, exit: InjectedExit(nanoseconds: 100), counter: work), translator(work))
    case .mmu:
      let window = try MMUWindow(memory: memory, byteCount: 1 << 28)
      try connect(MMUMapper(window: window, counter: work), MMUTranslator(window: window, counter: work))
    case .swiotlb: try connect(SwiotlbMapper(memory: memory, pool: pool, counter: work), mine)
    case .shadow: try connect(shadowMapper(work), mine)
    case .dmaMask:
      // In the middle of the payload, and of a segment there.
      let mask = payload.buffer.address.rawValue + 64 + 20
      try connect(DMAMaskMapper(mask: mask, memory: memory, pool: pool, counter: work), mine)
    case .hybrid:
      let window = try PremappedBuffer(shadow, domain: domain)
      try connect(
        HybridMapper(
          threshold: HybridThreshold(deviceReadable: 64, deviceWritable: 40), copying: shadowMapper(work, window),
          mapping: IOMMUMapper(domain: domain, policy: .strict, counter: work)), HybridTranslator(translator(work)))
    case .poisoning: try connect(PoisoningMapper(memory: memory, arena: arena, counter: work), mine)
    }
  }

  private func shadowMapper(
    _ work: CountedWork, _ window: PremappedBuffer? = nil
  ) throws -> ShadowMapper<CountedWork> {
    try ShadowMapper(
      memory: memory, buffer: shadow, slotByteCount: Self.shadowByteCount, window: window, counter: work)
  }

  private func connectShared(_ policy: IOMMUPolicy, _ work: CountedWork) throws {
    let pair = try SharedDomainPair(memory, tablePages: 512, configuration: domain.configuration)
    var translator = RemoteIOMMUTranslator(domain: pair.there, memory: memory, counter: work)
    if domain.configuration.servedBy == .waiter { translator.beServed(by: pair.seat) }
    shared = pair
    try connect(IOMMUMapper(domain: pair.domain, policy: policy, counter: work), translator)
  }

  private func translator(_ work: CountedWork) -> IOMMUTranslator<CountedWork> {
    IOMMUTranslator(domain: domain, counter: work)
  }

  private func connect<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws {
    let size = configuration.size
    switch layout {
    case .split:
      let place = try SplitRing(in: ring.buffer, size: size)
      driver = DriverBox(
        try SplitDriverQueue(configuration, ring: place, indirectTables: tables.buffer, mapper: mapper))
      device = DeviceBox(try SplitDeviceQueue(configuration, ring: place, translator: translator))
    case .packed:
      let place = try PackedRing(in: ring.buffer, size: size)
      driver = DriverBox(
        try PackedDriverQueue(configuration, ring: place, indirectTables: tables.buffer, mapper: mapper))
      device = DeviceBox(try PackedDeviceQueue(configuration, ring: place, translator: translator))
    }
  }
}
