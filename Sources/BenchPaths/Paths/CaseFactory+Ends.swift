import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// What a path needs of the device: memory as it is, or an address space.
enum DeviceSide {
  /// Addresses of guest memory.
  case regions
  /// An IOTLB and a page table.
  case domain(DeviceSpace)
  /// The same, and the translator looks among the 2 MiB pages first.
  case hybrid(DeviceSpace)
  /// An IOTLB over windows that were mapped for good.
  case windows(IOMMUDomain, [DMAWindow])
  /// Another process walks the page table.
  case viommu(IOMMUDomain, ViommuClient)
  /// The CPU's own MMU.
  case mmu(MMUWindow)
}

/// An address space, and the attachment of a device in another process where there is one.
struct DeviceSpace {
  let domain: IOMMUDomain
  var attachment: DomainAttachment?
}

// One compiled loop for each mapper and ring, and one for each kind of device and ring: neither end knows the other's
// type.
extension CaseFactory {
  /// A path's two sides with what the form asks for between them.
  mutating func assemble<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, _ side: DeviceSide,
    figures: @escaping () -> [String: Double] = { [:] }
  ) throws -> BenchCase {
    let counter = Mapper.Counter()
    let plan = plan(key)
    switch form {
    case .ring: return try ring(key, plan, mapper, side, figures)
    case .mapping:
      return .mapping("\(key.label), mapping alone", plan, mapper, try device(side, .service, counter))
    case .translating:
      var addresses: [IOVA] = []
      for space in 0..<plan.depth {
        addresses.append(try mapper.map(plan.payload.segment(space), plan.direction).address)
      }
      let order = TranslationOrder()
      let device = try device(side, .translate(plan, addresses, order), counter)
      // Stays alive behind the translator: its end unmaps what is translated here.
      return .translating(key.label, order, owner: Box(mapper), device)
    }
  }

  private mutating func ring<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ plan: LoadPlan, _ mapper: consuming Mapper, _ side: DeviceSide,
    _ figures: @escaping () -> [String: Double]
  ) throws -> BenchCase {
    let configuration = key.isolated ? try negotiated(key) : configuration(key)
    let size = parameters.queueSize
    let ring = try RingMemory(key.ring, in: guest.ringMemory(key.ring.byteCount(size: size)), size: size)
    // The driver's end first: it clears the ring, what the device says of notifications included.
    let driver = try DriverEnd(plan, configuration, ring, tables: guest.tableMemory(parameters), mapper)
    let benchCase: BenchCase
    if key.isolated {
      benchCase = try isolated(
        key, plan, configuration, ring, driver, side, counts: Mapper.Counter.isCounting, figures: figures)
    } else {
      let device = try device(side, .ring(plan, configuration, ring), Mapper.Counter())
      benchCase = BenchCase(key.label, driver, device, figures: figures)
    }
    benchCase.warmingBuffers = plan.depth
    return benchCase
  }

  /// The device's end, as a thread of this process.
  private func device(_ side: DeviceSide, _ work: DeviceWork, _ counter: some WorkCounter) throws -> DeviceEnd {
    let sets = parameters.iotlbSets
    return switch side {
    case .regions: try DeviceEnd(work, RegionTranslator(memory: guest.memory, counter: counter))
    case .domain(let space):
      try DeviceEnd(work, IOMMUTranslator(domain: space.domain, iotlbSets: sets, counter: counter))
    case .windows(let domain, _):
      try DeviceEnd(work, IOMMUTranslator(domain: domain, iotlbSets: sets, counter: counter))
    case .hybrid(let space):
      try DeviceEnd(
        work, HybridTranslator(IOMMUTranslator(domain: space.domain, iotlbSets: sets, counter: counter)))
    case .viommu(let domain, let client):
      try DeviceEnd(
        work,
        CalledTranslator(ViommuTranslator(domain: domain, client: client, iotlbSets: sets, counter: counter)))
    case .mmu(let window): try DeviceEnd(work, CalledTranslator(MMUTranslator(window: window, counter: counter)))
    }
  }
}
