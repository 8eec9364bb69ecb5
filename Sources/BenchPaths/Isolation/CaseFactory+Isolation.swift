import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

// Cases whose device end is in another process.
extension CaseFactory {
  /// Refuses a path that does not lead there.
  func checkIsolation(_ key: CostKey) throws(BenchError) {
    let exposes = parameters.isolation.platform.exposes(isShared: plan(key).payload.buffer.region.isShared)
    let isHidden = key.path.handsOverAddresses && !exposes && !parameters.isolation.isForced
    let isElsewhere = key.path == .mmu || key.path == .viommu && parameters.iommu.viommuPrice != .injected
    guard !isHidden, !isElsewhere else {
      throw .machine(
        key.path.isolationRefusal(viommuPrice: parameters.iommu.viommuPrice) ?? "\(key.path.name) cannot be isolated")
    }
  }

  /// The driver's end with a queue at the other process.
  func isolated(
    _ key: CostKey, _ plan: LoadPlan, _ configuration: QueueConfiguration, _ ring: RingMemory, _ driver: DriverEnd,
    _ side: DeviceSide, counts: Bool, figures: @escaping () -> [String: Double]
  ) throws(BenchError) -> BenchCase {
    guard let device else { throw .machine("no device in another process was set up") }
    var description =
      switch ring {
      case .split(let ring): DeviceQueueDescription(configuration, ring)
      case .packed(let ring): DeviceQueueDescription(configuration, ring)
      }
    var attachment: DomainAttachment?
    switch side {
    case .domain(let space), .hybrid(let space): attachment = space.attachment
    case .windows(_, let windows):
      description.windows = windows
      description.usesLargePages = parameters.iommu.usesLargePages(parameters.pageSize)
    case .regions, .viommu, .mmu: break
    }
    description.domain = attachment?.shared
    description.iotlbSets = parameters.iotlbSets
    var load = IsolatedLoad()
    load.direction = plan.direction
    load.touch = plan.touch
    load.bytes = plan.bytes
    load.batch = plan.batch
    load.prefersLargePages = key.path == .hybrid
    let queue = try device.attach(description, load, counts: counts, attachment: attachment)
    let leave = { [attachment] () -> Void in attachment?.detach() }
    let benchCase = BenchCase(
      key.label, driver.isolated(leave: leave),
      DeviceEnd(run: { _ throws(SliceFailure) in throw .other }, work: { device.counts(queue) }), figures: figures)
    benchCase.isolatedQueue = queue
    benchCase.leaveDevice = leave
    return benchCase
  }

  /// What the platform's driver and the device agree on; to what is forced it would not.
  func negotiated(_ key: CostKey) throws(BenchError) -> QueueConfiguration {
    let wanted = configuration(key)
    if parameters.isolation.isForced && key.path.canBeForced { return wanted }
    do throws(NegotiationError) {
      return try parameters.isolation.platform.accept(
        wanted.features, of: .network, for: FeatureRequest(required: wanted.features)
      ).configuration(size: wanted.size, indirectCapacity: wanted.indirectCapacity)
    } catch { throw .machine("\(key.path.name): \(error)") }
  }
}
