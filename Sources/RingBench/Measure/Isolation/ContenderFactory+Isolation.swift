import RingKit

extension ContenderFactory {
  /// A contender whose device end is in another process.
  mutating func makeIsolated<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> Contender {
    let exposes = parameters.isolation.platform.exposes(plan(key).payload.buffer.region.visibility)
    if key.path.handsOverAddresses, !exposes, !parameters.isolation.isForced {
      throw Self.refusal(key, parameters)
    }
    switch key.path {
    case .direct: return try assembleIsolated(key, DirectMapper(counter: counter))
    case .identity:
      let dispatch: IdentityDispatch = parameters.retpoline ? .retpoline : .indirect
      return try assembleIsolated(key, IdentityMapper(dispatch: dispatch, counter: counter))
    case .premapped:
      let mapper = try PremappedMapper(
        mappedBuffers, domain: domain(), largePages: parameters.iommu.usesLargePages(parameters.pageSize),
        cpu: parameters.driverCPU, counter: counter)
      let windows = mapper.deviceWindows
      return try assembleIsolated(key, mapper, windows: windows)
    case .swiotlb:
      guard let pool = guest.pool else { throw BenchError.machine("no bounce pool was set up for swiotlb") }
      return try assembleIsolated(
        key, SwiotlbMapper(memory: guest.memory, pool: pool, cpu: parameters.driverCPU, counter: counter),
        figures: { ["poolHighWaterSlots": Double(pool.highWaterSlots)] })
    case .shadow:
      return try assembleIsolated(
        key,
        ShadowMapper(
          memory: guest.memory, buffer: guest.shadow(bytes: key.bytes, lane, parameters),
          slotByteCount: BenchGuest.shadowSlot(key.bytes, parameters), counter: counter))
    case .dmaMask: return try assembleIsolated(key, dmaMaskMapper(counter))
    case .iommuStrict, .iommuLazy:
      let seat = try isolatedSeat(key)
      let policy: IOMMUPolicy = key.path == .iommuStrict ? .strict : .lazy
      return try assembleIsolatedMerged(
        key, IOMMUMapper(domain: seat.domain, policy: policy, cpu: parameters.driverCPU, counter: counter), seat)
    case .viommu where parameters.iommu.viommuPrice == .injected:
      let seat = try isolatedSeat(key)
      let exit = InjectedExit(nanoseconds: UInt64(parameters.iommu.viommuNanoseconds))
      return try assembleIsolatedMerged(
        key, ViommuMapper(domain: seat.domain, exit: exit, cpu: parameters.driverCPU, counter: counter), seat)
    case .hybrid:
      let (control, calibrator) = try hybridSetting(key.ring)
      let seat = try isolatedSeat(key)
      let contender = try assembleIsolated(
        key, hybridMapper(key, control, seat.domain, counter), seat: seat,
        figures: { ["thresholdBytes": Double(control.threshold[key.direction])] })
      contender.hybrid = calibrator
      return contender
    case .viommu, .mmu: throw Self.refusal(key, parameters)
    }
  }

  private static func refusal(_ key: CostKey, _ parameters: CostParameters) -> BenchError {
    .machine(
      key.path.isolationRefusal(viommuPrice: parameters.iommu.viommuPrice) ?? "\(key.path.name) cannot be isolated")
  }

  /// A path that maps each buffer, or each fragment of several.
  private mutating func assembleIsolatedMerged<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, _ seat: DomainSeat
  ) throws -> Contender {
    let bytes = parameters.iommu.mergeBytes
    if bytes == 0 { return try assembleIsolated(key, mapper, seat: seat) }
    return try assembleIsolated(key, FragmentMapper(mapper, mappedBuffers, fragmentByteCount: bytes), seat: seat)
  }

  /// The device's place in a domain of the contender's own, whose page table and invalidation queue both processes have.
  private func isolatedSeat(_ key: CostKey) throws -> DomainSeat {
    // Each range begins at a multiple of its size. Those of all buffers in flight, of their tables, and of what waits for
    // a flush are apart from each other, and so is what is mapped for good.
    let bytes = max(PayloadPool.stride(for: key.bytes), parameters.iommu.mergeBytes)
    let pages = 1 << (Int.bitWidth - (bytes / 4096).leadingZeroBitCount)
    let ranges = parameters.depth * parameters.segments * (parameters.features.contains(.indirect) ? 2 : 1) + 512
    let tables = 2 * ranges * pages / 512 + 2 * BenchGuest.shadowByteCount(parameters) >> 21 + 64
    // No more than the domain of two threads may have.
    let tablePages = min(tables, iommuConfiguration.maximumTablePages)
    return try DomainSeat(
      IOMMUDomain(sharing: guest.memory, tablePages: tablePages, configuration: iommuConfiguration))
  }

  private mutating func assembleIsolated<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, windows: [DMAWindow]? = nil, seat: DomainSeat? = nil,
    figures: @escaping () -> [String: Double] = { [:] }
  ) throws -> Contender {
    let configuration = try negotiated(key)
    guard let device else { throw BenchError.machine("no device in another process was set up") }
    let tables = guest.tableMemory(parameters)
    let plan = plan(key)
    switch key.ring {
    case .split:
      let ring = try SplitRing(
        in: guest.ringMemory(SplitRing.byteCount(size: parameters.queueSize)), size: parameters.queueSize)
      // The driver's end first: it clears the ring, what the device says of notifications included.
      let driver = try SplitDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper)
      let queue = try attach(
        DeviceQueueDescription(configuration, ring), plan, key, windows, seat, counts: Mapper.Counter.isCounting)
      return Contender(
        key.label, plan, driver, isolated: queue, deviceWork: { device.counts(queue) },
        leave: { seat?.detach() }, figures: figures)
    case .packed:
      let ring = try PackedRing(
        in: guest.ringMemory(PackedRing.byteCount(size: parameters.queueSize)), size: parameters.queueSize)
      // The driver's end first: it clears the ring, what the device says of notifications included.
      let driver = try PackedDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper)
      let queue = try attach(
        DeviceQueueDescription(configuration, ring), plan, key, windows, seat, counts: Mapper.Counter.isCounting)
      return Contender(
        key.label, plan, driver, isolated: queue, deviceWork: { device.counts(queue) },
        leave: { seat?.detach() }, figures: figures)
    }
  }

  /// What the platform's driver and the device agree on; to what is forced it would not.
  private func negotiated(_ key: CostKey) throws(BenchError) -> QueueConfiguration {
    let wanted = configuration(key)
    if parameters.isolation.isForced && key.path.canBeForced { return wanted }
    do throws(NegotiationError) {
      return try parameters.isolation.platform.accept(
        wanted.features, of: .network, for: FeatureRequest(required: wanted.features)
      ).configuration(size: wanted.size, indirectCapacity: wanted.indirectCapacity)
    } catch { throw .machine("\(key.path.name): \(error)") }
  }

  private func attach(
    _ description: DeviceQueueDescription, _ plan: LoadPlan, _ key: CostKey, _ windows: [DMAWindow]?,
    _ seat: DomainSeat?, counts: Bool
  ) throws(BenchError) -> Int {
    var description = description
    description.windows = windows
    description.domain = seat?.shared
    description.usesLargePages = windows != nil && parameters.iommu.usesLargePages(parameters.pageSize)
    description.iotlbSets = parameters.iotlbSets
    var load = IsolatedLoad()
    load.direction = plan.direction
    load.touch = plan.touch
    load.bytes = plan.bytes
    load.batch = plan.batch
    load.prefersLargePages = key.path == .hybrid
    guard let device else { throw .machine("no device in another process was set up") }
    return try device.attach(description, load, counts: counts, seat: seat)
  }
}
