import Glibc
import RingKit

extension ContenderFactory {
  /// What a page-pool driver maps once, or cuts into fragments: payloads, and the indirect tables where there are any.
  var mappedBuffers: [GuestBuffer] { [guest.sharedPayload] + (guest.tables.map { [$0] } ?? []) }

  func domain() -> IOMMUDomain {
    if let sharedDomain { return sharedDomain }
    return IOMMUDomain(memory: guest.memory, configuration: iommuConfiguration)
  }

  var iommuConfiguration: IOMMUConfiguration {
    var configuration = IOMMUConfiguration()
    configuration.servedBy = servedBy
    configuration.flushInterval = flushInterval
    configuration.cpuCount = cpuCount
    configuration.usesLargePages = parameters.iommu.pages != .small
    return configuration
  }

  private var cpuCount: Int { (parameters.laneCPUs.map { max($0.driver, $0.device) }.max() ?? 0) + 1 }

  func translator<Counter: WorkCounter>(_ domain: IOMMUDomain, _ counter: Counter) -> IOMMUTranslator<Counter> {
    IOMMUTranslator(domain: domain, iotlbSets: parameters.iotlbSets, counter: counter)
  }

  /// A path that maps each buffer, or each fragment of several.
  mutating func assembleMerged<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws -> Contender {
    let bytes = parameters.iommu.mergeBytes
    if bytes == 0 { return try assemble(key, mapper, translator) }
    return try assemble(key, FragmentMapper(mapper, mappedBuffers, fragmentByteCount: bytes), translator)
  }

  mutating func viommu<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> Contender {
    let domain = domain()
    switch parameters.iommu.viommuPrice {
    case .injected:
      let exit = InjectedExit(nanoseconds: UInt64(parameters.iommu.viommuNanoseconds))
      return try assembleMerged(
        key, ViommuMapper(domain: domain, exit: exit, cpu: parameters.driverCPU, counter: counter),
        translator(domain, counter))
    case .process:
      let vmm = try startVMM()
      return try assembleMerged(
        key, ViommuMapper(domain: domain, exit: vmm.driver, cpu: parameters.driverCPU, counter: counter),
        ViommuTranslator(domain: domain, client: vmm.device, iotlbSets: parameters.iotlbSets, counter: counter))
    }
  }

  /// This program once more, as the process that holds the translations.
  private func startVMM() throws(BenchError) -> ViommuProcess {
    var arguments = [
      ViommuServerCommand.name, "--parent", "\(getpid())", "--driver-cpu", "\(parameters.driverCPU)", "--device-cpu",
      "\(parameters.deviceCPU)",
    ]
    if parameters.iommu.pages == .small { arguments.append("--small-pages") }
    do throws(ViommuFailure) {
      return try ViommuProcess(executable: "/proc/self/exe", arguments: arguments)
    } catch {
      throw .machine("the process that holds the translations of viommu cannot be started: \(error)")
    }
  }

  mutating func mmu<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> Contender {
    guard guest.sharedPayload.region.pageSize != .reserved2M else {
      throw BenchError.machine(
        "mmu shows single pages, and the payload lies on reserved 2 MiB pages here; leave out --page-size 2m")
    }
    // Up to two ranges of address space more for each mapping: the one shown, and what is split off beside it.
    let mappings = 2 * parameters.depth * (parameters.features.contains(.indirect) ? 3 : 1) + 2_000
    if let most = SystemFile.number("/proc/sys/vm/max_map_count"), mappings > most {
      throw BenchError.machine(
        "mmu needs up to \(mappings) ranges of address space for this depth, and vm.max_map_count is \(most); lower --depth"
      )
    }
    // A range starts at a multiple of its size; some wait in caches for reuse.
    let stride = max(PayloadPool.stride(for: key.bytes), parameters.iommu.mergeBytes)
    let largest = 1 << (Int.bitWidth - (2 * stride - 1).leadingZeroBitCount)
    let window = try MMUWindow(
      memory: guest.memory, byteCount: max(1 << 30, (parameters.depth + 512) * largest), cpuCount: cpuCount)
    return try assembleMerged(
      key, MMUMapper(window: window, cpu: parameters.driverCPU, counter: counter),
      MMUTranslator(window: window, counter: counter))
  }
}
