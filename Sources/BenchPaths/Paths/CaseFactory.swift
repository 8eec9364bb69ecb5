import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// What a factory makes of the two sides of a path.
package enum CaseForm: Sendable {
  /// A ring between them.
  case ring
  /// No ring: the driver's thread maps and unmaps, the device's serves.
  case mapping
  /// No ring: the device's thread translates what was mapped once.
  case translating
}

/// Sets cases up: nothing else chooses ring, path and counting at run time.
package struct CaseFactory {
  /// Those of the queue that is set up, where there are several: their CPUs differ.
  var parameters: CostParameters
  package var guest: BenchGuest
  /// The end that serves the IOMMU's invalidation queue.
  var servedBy = InvalidationServer.deviceThread
  /// Nanoseconds a deferred unmap may wait; a run that must not depend on time sets more than it takes.
  var flushInterval = IOMMUConfiguration().flushInterval
  /// What is made of a path's two sides.
  package var form = CaseForm.ring
  /// The device in another process, for cases that are isolated.
  package var device: IsolatedDevice?

  /// What finds the lengths below which `hybrid` copies, and its memory; set up when a ring's is first asked for.
  private var calibrators: [HybridCalibrator] = []
  private var calibrationGuest: BenchGuest?
  /// Which queue of a case is set up.
  private(set) var queue = 0
  /// The address space that the queues of one case share.
  private var sharedDomain: IOMMUDomain?

  package init(
    parameters: CostParameters, guest: BenchGuest, servedBy: InvalidationServer = .deviceThread,
    flushInterval: UInt64 = IOMMUConfiguration().flushInterval, form: CaseForm = .ring
  ) {
    self.parameters = parameters
    self.guest = guest
    self.servedBy = servedBy
    self.flushInterval = flushInterval
    self.form = form
  }

  /// What sets the hybrids made so far for where the CPUs are; `nil` where none needs it.
  package var tuner: HybridTuner? { calibrators.isEmpty ? nil : HybridTuner(calibrators) }

  /// A case of as many queues as were asked for, over one domain or one pool.
  ///
  /// One that counts work is never timed, so no code is compiled for it alone.
  package mutating func makeAll(_ key: CostKey, counting: Bool = false) throws(BenchError) -> BenchCase {
    guard parameters.queues > 1 else { return try make(key, counting: counting) }
    let whole = parameters
    defer {
      parameters = whole
      queue = 0
      sharedDomain = nil
    }
    let domain = domain()
    sharedDomain = domain
    var queues: [BenchCase] = []
    for (number, cpus) in whole.queueCPUs.enumerated() {
      queue = number
      (parameters.driverCPU, parameters.deviceCPU) = cpus
      queues.append(try make(key, counting: counting))
    }
    let pool = key.path == .swiotlb ? guest.pool : nil
    let isTranslated = [.iommuStrict, .iommuLazy, .hybrid].contains(key.path)
    return BenchCase(queues: queues, threads: whole.queueThreads, label: key.label) {
      if let pool { return ["swiotlbLockWaits": pool.lockWaits] }
      guard isTranslated else { return [:] }
      let waits = domain.lockWaits
      return [
        "iovaMagazineLockWaits": waits.magazines, "iovaDepotLockWaits": waits.depots, "iovaTreeLockWaits": waits.tree,
        "invalidationLockWaits": waits.invalidationQueue,
      ]
    }
  }

  /// A case of one queue.
  package mutating func make(_ key: CostKey, counting: Bool = false) throws(BenchError) -> BenchCase {
    do {
      if key.isolated { try checkIsolation(key) }
      let benchCase = counting ? try make(key, Self.hiddenCounter()) : try make(key, UncountedWork())
      benchCase.limitWork(key.path, bytes: key.bytes)
      return benchCase
    } catch {
      throw error as? BenchError ?? .machine("\(key.path.name) cannot be set up: \(error)")
    }
  }

  /// A counter whose type the optimiser does not see: what is generic over it stays so.
  @inline(never)
  private static func hiddenCounter() -> any WorkCounter { CountedWork() }

  private mutating func make(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    switch key.path {
    case .direct: try assemble(key, DirectMapper(memory: guest.memory, counter: counter), .regions)
    case .identity:
      try assemble(key, IdentityMapper(memory: guest.memory, dispatch: dispatch, counter: counter), .regions)
    case .iommuStrict, .iommuLazy: try iommu(key, counter)
    case .viommu: try viommu(key, counter)
    case .mmu: try mmu(key, counter)
    case .premapped: try premapped(key, counter)
    case .swiotlb: try swiotlb(key, counter)
    case .dmaMask: try dmaMask(key, counter)
    case .shadow: try assemble(key, shadowMapper(key, counter), .regions)
    case .hybrid: try hybrid(key, counter)
    }
  }

  var dispatch: IdentityDispatch { parameters.retpoline ? .retpoline : .indirect }

  // MARK: What several paths share

  /// What a page-pool driver maps once, or cuts into fragments: payloads, and the indirect tables where there are any.
  var mappedBuffers: [GuestBuffer] { [guest.sharedPayload] + (guest.tables.map { [$0] } ?? []) }

  func domain() -> IOMMUDomain {
    sharedDomain ?? IOMMUDomain(memory: guest.memory, configuration: iommuConfiguration)
  }

  var iommuConfiguration: IOMMUConfiguration {
    var configuration = IOMMUConfiguration()
    configuration.servedBy = servedBy
    configuration.flushInterval = flushInterval
    configuration.cpuCount = cpuCount
    configuration.usesLargePages = parameters.iommu.pages != .small
    return configuration
  }

  var cpuCount: Int { (parameters.queueCPUs.map { max($0.driver, $0.device) }.max() ?? 0) + 1 }

  /// What finds the threshold of a ring's hybrids.
  mutating func calibrator(_ ring: RingLayout) throws(BenchError) -> HybridCalibrator {
    if let known = calibrators.first(where: { $0.ring == ring }) { return known }
    let calibrator = try HybridCalibrator(parameters, ring, .read(), guest: &calibrationGuest, lender: guest)
    calibrators.append(calibrator)
    return calibrator
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
      payload: PayloadPool(
        payload, bytes: key.bytes, first: queue * parameters.depth,
        stride: parameters.memorySpan.map {
          PayloadPool.stride(for: key.bytes, over: $0, count: parameters.depth * parameters.queues)
        }))
  }
}

extension BenchCase {
  /// Fewer buffers to calibrate and to count with where each takes long; whole rounds of the flush queue up to 512 KiB.
  func limitWork(_ path: DMAPath?, bytes: Int) {
    let isSlow = path == .viommu || path == .mmu
    guard bytes > 16_384 || isSlow else { return }
    let affordable = max(1, (16 << 20) / bytes)
    trialBuffers = min(128, affordable)
    countedBuffers = bytes > 512 << 10 ? 4 * affordable : 255 * 2
    firstStep = min(isSlow ? 32 : 128, affordable)
  }
}
