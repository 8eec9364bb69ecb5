import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// A negotiated device and laid-out memory: where path and layout are chosen.
package struct DriveSession {
  let parameters: DriveParameters
  let guest: DriveGuest
  /// The device's address space, for the paths that translate.
  let domain: IOMMUDomain?
  let port: DrivePort
  let limits: BlockLimits?
  let progress: Progress

  package init(
    parameters: DriveParameters, guest: DriveGuest, domain: IOMMUDomain?, port: DrivePort, limits: BlockLimits?,
    progress: Progress
  ) {
    self.parameters = parameters
    self.guest = guest
    self.domain = domain
    self.port = port
    self.limits = limits
    self.progress = progress
  }

  package func run() throws -> DriveTally {
    switch parameters.path {
    case .direct: return try drive { _ in CalledMapper(DirectMapper(memory: guest.memory, counter: CountedWork())) }
    case .identity:
      return try drive { _ in CalledMapper(IdentityMapper(memory: guest.memory, counter: CountedWork())) }
    case .iommuStrict, .iommuLazy:
      let domain = try translated()
      let policy = parameters.path == .iommuStrict ? IOMMUPolicy.strict : .lazy
      let listener = parameters.announces ? port.frontend : nil
      return try drive { _ in
        CalledMapper(
          AnnouncingMapper(IOMMUMapper(domain: domain, policy: policy, counter: CountedWork()), to: listener))
      }
    case .premapped:
      let domain = try translated()
      return try drive { queue in
        CalledMapper(
          try PremappedMapper(
            [guest.data] + guest.tables.suffix(from: min(queue, guest.tables.count)).prefix(1), domain: domain,
            counter: CountedWork()))
      }
    case .swiotlb:
      guard let pool = guest.pool else { throw BenchError.machine("no bounce pool was set up") }
      return try drive { _ in
        CalledMapper(SwiotlbMapper(memory: guest.memory, pool: pool, cpu: 0, counter: CountedWork()))
      }
    case .shadow:
      return try drive { queue in
        CalledMapper(
          try ShadowMapper(
            memory: guest.memory, buffer: guest.shadows[queue], slotByteCount: DriveGuest.shadowSlot(parameters),
            counter: CountedWork()))
      }
    case .viommu, .mmu, .dmaMask, .hybrid:
      throw BenchError.usage("\(parameters.path.name) is not for a device in another process")
    }
  }

  private func translated() throws(BenchError) -> IOMMUDomain {
    guard let domain else { throw .machine("no IOMMU was set up for \(parameters.path.name)") }
    return domain
  }

  // The device is in another process: beside its price that of a call does not show, so one queue type serves all
  // paths.
  private func drive(_ mapper: (Int) throws -> CalledMapper<CountedWork>) throws -> DriveTally {
    let features = port.frontend.features
    let configuration = QueueConfiguration(
      size: parameters.queueSize, features: features, indirectCapacity: min(parameters.segments, parameters.queueSize))
    switch parameters.layout {
    case .split:
      return try load { queue in
        let ring = try SplitRing(in: guest.rings[queue], size: parameters.queueSize)
        let end = try SplitDriverQueue(
          configuration, ring: ring, indirectTables: tables(queue), mapper: try mapper(queue))
        try start(queue) { window in
          VringSetup(ring, window: window, kick: port.kicks[queue], call: port.calls[queue])
        }
        return end
      }
    case .packed:
      return try load { queue in
        let ring = try PackedRing(in: guest.rings[queue], size: parameters.queueSize)
        let end = try PackedDriverQueue(
          configuration, ring: ring, indirectTables: tables(queue), mapper: try mapper(queue))
        try start(queue) { window in
          VringSetup(ring, window: window, kick: port.kicks[queue], call: port.calls[queue])
        }
        return end
      }
    }
  }

  private func tables(_ queue: Int) -> GuestBuffer? { queue < guest.tables.count ? guest.tables[queue] : nil }

  /// Hands an empty ring over, mapped for good where the device translates.
  private func start(_ queue: Int, _ setup: (PremappedBuffer?) -> VringSetup) throws {
    let window = try domain.map { domain in try PremappedBuffer(guest.rings[queue], domain: domain) }
    try port.frontend.start(queue, setup(window))
  }

  private func load<Queue: DriverQueue & ~Copyable>(_ queue: (Int) throws -> Queue) throws -> DriveTally {
    switch parameters.device {
    case .block:
      let (first, second) = guest.halves(parameters)
      guard let limits else { throw BenchError.machine("the device's limits are not known") }
      let slots = first.slice(
        at: 0, byteCount: parameters.depth * BlockDriver<Queue>.slotByteCount)
      let capacity = Int(clamping: limits.sectorCount / UInt64(parameters.bytes / 512))
      let plan = BlockPlan(
        requests: parameters.requests, bytes: parameters.bytes, depth: parameters.depth,
        verifies: parameters.verifies, hasFlush: limits.hasFlush, window: min(capacity, 4096),
        payload: PayloadPool(second, bytes: parameters.bytes))
      var load = BlockLoad(BlockDriver(try queue(0), slots: slots), port, plan)
      return load.run(progress)
    case .net:
      let (first, second) = guest.halves(parameters)
      let plan = NetPlan(
        requests: parameters.requests, bytes: parameters.bytes, depth: parameters.depth,
        isIndirect: parameters.features.contains(.indirect), received: NetFrames(first, bytes: parameters.bytes),
        sent: NetFrames(second, bytes: parameters.bytes))
      var load = NetLoad(receive: try queue(0), transmit: try queue(1), port, plan)
      return load.run(progress)
    case .entropy:
      let plan = EntropyPlan(
        requests: parameters.requests, bytes: parameters.bytes, depth: parameters.depth,
        payload: PayloadPool(guest.data, bytes: parameters.bytes))
      var load = EntropyLoad(try queue(0), port, plan)
      return load.run(progress)
    }
  }
}
