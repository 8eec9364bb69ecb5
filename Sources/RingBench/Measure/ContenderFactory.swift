import RingKit

/// Sets contenders up: the one place where ring, path and counting are chosen at run time.
struct ContenderFactory {
  /// Those of the lane that is set up, where there are several: their CPUs differ.
  var parameters: CostParameters
  var guest: BenchGuest
  /// Who serves the IOMMU's invalidation queue.
  var servedBy = InvalidationServer.deviceThread
  /// Nanoseconds a deferred unmap may wait; a run that must not depend on time sets more than it takes.
  var flushInterval = IOMMUConfiguration().flushInterval
  /// What finds the lengths below which `hybrid` copies, and its memory; set up when a ring's is first asked for.
  private(set) var calibrators: [HybridCalibrator] = []
  private(set) var calibrationGuest: BenchGuest?

  /// Which queue of a contender is set up.
  var lane = 0
  /// The address space that the queues of one contender share.
  var sharedDomain: IOMMUDomain?
  /// What is made of a path's two sides.
  var form = ContenderForm.ring

  /// The device in another process, for contenders that are isolated.
  var device: IsolatedDevice?

  /// A contender whose every type is known to the compiler from here down.
  mutating func make<Counter: WorkCounter>(_ key: CostKey, counter: Counter) throws(BenchError) -> Contender {
    do {
      if key.isolated { return try makeIsolated(key, counter) }
      switch key.path {
      case .direct:
        return try assemble(key, DirectMapper(counter: counter), region(counter))
      case .identity:
        let dispatch: IdentityDispatch = parameters.retpoline ? .retpoline : .indirect
        return try assemble(key, IdentityMapper(dispatch: dispatch, counter: counter), region(counter))
      case .iommuStrict, .iommuLazy:
        let domain = domain()
        let policy: IOMMUPolicy = key.path == .iommuStrict ? .strict : .lazy
        return try assembleMerged(
          key, IOMMUMapper(domain: domain, policy: policy, cpu: parameters.driverCPU, counter: counter),
          translator(domain, counter))
      case .viommu: return try viommu(key, counter)
      case .mmu: return try mmu(key, counter)
      case .premapped:
        let domain = domain()
        // The mapper before the translator: with nobody attached a map that fails waits for nobody.
        return try assemble(
          key,
          PremappedMapper(
            mappedBuffers, domain: domain, largePages: parameters.iommu.usesLargePages(parameters.pageSize),
            cpu: parameters.driverCPU, counter: counter), translator(domain, counter))
      case .swiotlb:
        guard let pool = guest.pool else {
          throw BenchError.machine("no bounce pool was set up for swiotlb")
        }
        return try assemble(
          key, SwiotlbMapper(memory: guest.memory, pool: pool, cpu: parameters.driverCPU, counter: counter),
          region(counter), figures: { ["poolHighWaterSlots": Double(pool.highWaterSlots)] })
      case .dmaMask: return try assemble(key, dmaMaskMapper(counter), region(counter))
      case .shadow:
        return try assemble(
          key,
          ShadowMapper(
            memory: guest.memory, buffer: guest.shadow(bytes: key.bytes, lane, parameters),
            slotByteCount: BenchGuest.shadowSlot(key.bytes, parameters), counter: counter), region(counter))
      case .hybrid: return try hybrid(key, counter)
      }
    } catch let error as BenchError {
      throw error
    } catch {
      throw .machine("\(key.path.name) cannot be set up: \(error)")
    }
  }

  func dmaMaskMapper<Counter: WorkCounter>(_ counter: Counter) throws -> DMAMaskMapper<Counter> {
    guard let pool = guest.pool else { throw BenchError.machine("no bounce pool was set up for dma-mask") }
    let mask = parameters.maskBits == 64 ? UInt64.max : (1 << UInt64(parameters.maskBits)) - 1
    return try DMAMaskMapper(
      mask: mask, memory: guest.memory, pool: pool, cpu: parameters.driverCPU,
      dispatch: parameters.retpoline ? .retpoline : .indirect, counter: counter)
  }

  private mutating func hybrid<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> Contender {
    let (control, calibrator) = try hybridSetting(key.ring)
    let domain = domain()
    let contender = try assemble(
      key, hybridMapper(key, control, domain, counter), HybridTranslator(translator(domain, counter)),
      figures: { ["thresholdBytes": Double(control.threshold[key.direction])] })
    contender.hybrid = calibrator
    return contender
  }

  /// What holds the threshold, and what finds it during the run; nothing does where it is given or not wanted.
  mutating func hybridSetting(
    _ ring: RingLayout
  ) throws(BenchError) -> (control: HybridControl, calibrator: HybridCalibrator?) {
    if let given = parameters.hybridThreshold {
      return (HybridControl(HybridThreshold(UInt32(clamping: given))), nil)
    }
    guard form == .ring else { return (HybridControl(HybridThreshold(0)), nil) }
    if let known = calibrators.first(where: { $0.ring == ring }) { return (known.control, known) }
    let calibrator = try HybridCalibrator(parameters, ring, .read(), guest: &calibrationGuest)
    calibrators.append(calibrator)
    return (calibrator.control, calibrator)
  }

  func hybridMapper<Counter: WorkCounter>(
    _ key: CostKey, _ control: HybridControl, _ domain: IOMMUDomain, _ counter: Counter
  ) throws -> HybridMapper<IOMMUMapper<Counter>> {
    let buffer = try guest.shadow(bytes: key.bytes, lane, parameters)
    // As with premapped: mapped while nobody is attached. In leaves of 2 MiB, unless another queue has a part in them.
    let hasLargePages = parameters.iommu.pages != .small && parameters.queues == 1
    let window = try PremappedBuffer(
      hasLargePages ? guest.wholeLeaves(of: buffer) : buffer, domain: domain, largePages: hasLargePages,
      cpu: parameters.driverCPU)
    let copying = try ShadowMapper(
      memory: guest.memory, buffer: buffer, slotByteCount: BenchGuest.shadowSlot(key.bytes, parameters),
      window: window, counter: counter)
    let mapping = IOMMUMapper(domain: domain, policy: .strict, cpu: parameters.driverCPU, counter: counter)
    return HybridMapper(control: control, copying: copying, mapping: mapping)
  }

  private func region<Counter: WorkCounter>(_ counter: Counter) -> RegionTranslator<Counter> {
    RegionTranslator(memory: guest.memory, counter: counter)
  }

  mutating func assemble<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, _ translator: consuming Translator,
    figures: @escaping () -> [String: Double] = { [:] }
  ) throws -> Contender {
    switch form {
    case .ring: break
    case .mapping: return Contender(key.label, mapping: plan(key), mapper, translator)
    case .translating: return try Contender.translating(key.label, plan(key), mapper, translator)
    }
    let configuration = configuration(key)
    let tables = guest.tableMemory(parameters)
    switch key.ring {
    case .split:
      let ring = try SplitRing(
        in: guest.ringMemory(SplitRing.byteCount(size: parameters.queueSize)), size: parameters.queueSize)
      return Contender(
        key.label, plan(key), try SplitDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper),
        try SplitDeviceQueue(configuration, ring: ring, translator: translator), figures: figures)
    case .packed:
      let ring = try PackedRing(
        in: guest.ringMemory(PackedRing.byteCount(size: parameters.queueSize)), size: parameters.queueSize)
      return Contender(
        key.label, plan(key), try PackedDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper),
        try PackedDeviceQueue(configuration, ring: ring, translator: translator), figures: figures)
    }
  }

  func configuration(_ key: CostKey) -> QueueConfiguration {
    var features = parameters.featureBits
    if key.path != .direct { features.insert(.accessPlatform) }
    if key.ring == .packed { features.insert(.packedRing) }
    return QueueConfiguration(
      size: parameters.queueSize, features: features, indirectCapacity: max(2, parameters.segments))
  }

  func plan(_ key: CostKey) -> LoadPlan {
    let payload =
      switch key.path {
      case .swiotlb: guest.privatePayload ?? guest.sharedPayload
      // The pages that hybrid has, which maps some of them: others may lie better in the caches, or worse.
      case .shadow:
        parameters.isolation.paths.contains(.shadow) ? guest.privatePayload ?? guest.sharedPayload : guest.sharedPayload
      case .dmaMask: guest.payload(bytes: key.bytes, parameters)
      // Forced: what a secure guest would hand over is its own.
      case .direct, .identity: key.isolated ? guest.privatePayload ?? guest.sharedPayload : guest.sharedPayload
      default: guest.sharedPayload
      }
    return LoadPlan(
      direction: key.direction, bytes: key.bytes, depth: parameters.depth, batch: parameters.batch,
      touch: parameters.touch, segments: parameters.segments,
      payload: PayloadPool(payload, bytes: key.bytes, first: lane * parameters.depth))
  }
}
