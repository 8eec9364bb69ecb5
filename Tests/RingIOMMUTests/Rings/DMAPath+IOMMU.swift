import RingIOMMU
import RingKit
import RingKitTesting
import RingTestSupport

extension DMAPath {
  /// The paths of RingIOMMU.
  static let iommu: [DMAPath] = [
    iommuStrict, iommuLazy, iommuMerged, iommuShared, iommuSharedLazy, premapped, viommuProcess, viommuInjected, mmu,
    hybrid,
  ]

  static let iommuStrict = DMAPath("iommu-strict", protection: .mapping) { rig in
    let domain = rig.domain()
    try rig.connect(IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork()), pages(domain))
  }
  static let iommuLazy = DMAPath("iommu-lazy", protection: .mapping) { rig in
    let domain = rig.domain()
    try rig.connect(IOMMUMapper(domain: domain, policy: .lazy, counter: CountedWork()), pages(domain))
  }
  static let iommuMerged = DMAPath("iommu-merged", protection: .mapping) { rig in
    let domain = rig.domain()
    let mapper = IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork())
    try rig.connect(
      FragmentMapper(mapper, [rig.payload.buffer, rig.tables.buffer], fragmentByteCount: 4096), pages(domain))
  }
  /// Page table and invalidation queue in memory that the device has mapped for itself, as a process of its own would.
  static let iommuShared = DMAPath("iommu-shared", protection: .mapping) { try connectShared($0, .strict) }
  static let iommuSharedLazy = DMAPath("iommu-shared-lazy", protection: .mapping) { try connectShared($0, .lazy) }
  static let premapped = DMAPath("premapped", protection: .memory, mapsEachBuffer: false) { rig in
    let domain = rig.domain()
    try rig.connect(
      PremappedMapper([rig.payload.buffer, rig.tables.buffer], domain: domain, counter: CountedWork()), pages(domain))
  }
  static let viommuProcess = DMAPath("viommu-process", entersTheKernel: true, protection: .mapping) { rig in
    let domain = rig.domain()
    let vmm = try ViommuThread()
    rig.keep(vmm)
    try rig.connect(
      ViommuMapper(domain: domain, exit: vmm.driver(), counter: CountedWork()),
      ViommuTranslator(domain: domain, client: vmm.device(), counter: CountedWork()))
  }
  static let viommuInjected = DMAPath("viommu-injected", protection: .mapping) { rig in
    let domain = rig.domain()
    try rig.connect(
      ViommuMapper(domain: domain, exit: InjectedExit(nanoseconds: 100), counter: CountedWork()), pages(domain))
  }
  static let mmu = DMAPath("mmu", entersTheKernel: true, protection: .mapping) { rig in
    let window = try MMUWindow(memory: rig.memory, byteCount: 1 << 28)
    try rig.connect(
      MMUMapper(window: window, counter: CountedWork()), MMUTranslator(window: window, counter: CountedWork()))
  }
  /// A threshold below the segments' usual length and one above it, so that chains mix both.
  ///
  /// The suites' segments that test protection are no shorter than the threshold, so they are mapped.
  static let hybrid = DMAPath("hybrid", protection: .mapping, usesShadow: true) { rig in
    let domain = rig.domain()
    let window = try PremappedBuffer(rig.shadow, domain: domain)
    let copying = try ShadowMapper(
      memory: rig.memory, buffer: rig.shadow, slotByteCount: Rig.shadowByteCount, window: window,
      counter: CountedWork())
    try rig.connect(
      HybridMapper(
        threshold: HybridThreshold(deviceReadable: 64, deviceWritable: 40), copying: copying,
        mapping: IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork())),
      HybridTranslator(pages(domain)))
  }

  private static func pages(_ domain: IOMMUDomain) -> IOMMUTranslator<CountedWork> {
    IOMMUTranslator(domain: domain, counter: CountedWork())
  }

  private static func connectShared(_ rig: Rig, _ policy: IOMMUPolicy) throws {
    let pair = try SharedDomainPair(rig.memory, tablePages: 512, configuration: rig.iommuConfiguration)
    var translator = RemoteIOMMUTranslator(domain: pair.there, memory: rig.memory, counter: CountedWork())
    if !rig.hasThreads { translator.beServed(by: pair.attachment) }
    rig.keep(pair)
    try rig.connect(IOMMUMapper(domain: pair.domain, policy: policy, counter: CountedWork()), translator)
  }
}

extension Rig {
  /// The end that serves invalidations: the device's thread, or the driver where both ends live on one thread.
  var iommuConfiguration: IOMMUConfiguration {
    var configuration = IOMMUConfiguration()
    configuration.servedBy = hasThreads ? .deviceThread : .waiter
    return configuration
  }

  /// A new address space over the rig's memory.
  func domain() -> IOMMUDomain { IOMMUDomain(memory: memory, configuration: iommuConfiguration) }
}
