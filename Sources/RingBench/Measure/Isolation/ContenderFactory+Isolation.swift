import RingKit

extension ContenderFactory {
  /// A contender whose device end is in another process.
  mutating func makeIsolated<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> Contender {
    let exposes = parameters.isolation.platform.exposes(plan(key).payload.buffer.region.visibility)
    if key.path.handsOverAddresses, !exposes, !parameters.isolation.isForced {
      throw BenchError.machine(key.path.isolationRefusal ?? "\(key.path.name) cannot be isolated")
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
    case .iommuStrict, .iommuLazy, .viommu, .mmu, .dmaMask, .hybrid:
      throw BenchError.machine(key.path.isolationRefusal ?? "\(key.path.name) cannot be isolated")
    }
  }

  private mutating func assembleIsolated<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, windows: [DMAWindow]? = nil,
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
        DeviceQueueDescription(configuration, ring), plan, windows, counts: Mapper.Counter.isCounting)
      return Contender(
        key.label, plan, driver, isolated: queue, deviceWork: { device.counts(queue) }, figures: figures)
    case .packed:
      let ring = try PackedRing(
        in: guest.ringMemory(PackedRing.byteCount(size: parameters.queueSize)), size: parameters.queueSize)
      // The driver's end first: it clears the ring, what the device says of notifications included.
      let driver = try PackedDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper)
      let queue = try attach(
        DeviceQueueDescription(configuration, ring), plan, windows, counts: Mapper.Counter.isCounting)
      return Contender(
        key.label, plan, driver, isolated: queue, deviceWork: { device.counts(queue) }, figures: figures)
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
    _ description: DeviceQueueDescription, _ plan: LoadPlan, _ windows: [DMAWindow]?, counts: Bool
  ) throws(BenchError) -> Int {
    var description = description
    description.windows = windows
    description.usesLargePages = windows != nil && parameters.iommu.usesLargePages(parameters.pageSize)
    description.iotlbSets = parameters.iotlbSets
    var load = IsolatedLoad()
    load.direction = plan.direction
    load.touch = plan.touch
    load.bytes = plan.bytes
    load.batch = plan.batch
    guard let device else { throw .machine("no device in another process was set up") }
    return try device.attach(description, load, counts: counts)
  }
}
