import BenchPlan
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

// Paths that copy: swiotlb, dma-mask, shadow.
extension CaseFactory {
  mutating func swiotlb(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let pool = try pool(for: key)
    return try assemble(
      key, SwiotlbMapper(memory: guest.memory, pool: pool, cpu: parameters.driverCPU, counter: counter), .regions,
      figures: { ["poolHighWaterSlots": Double(pool.highWaterSlots)] })
  }

  mutating func dmaMask(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let mask = parameters.maskBits == 64 ? UInt64.max : (1 << UInt64(parameters.maskBits)) - 1
    return try assemble(
      key,
      DMAMaskMapper(
        mask: mask, memory: guest.memory, pool: pool(for: key), cpu: parameters.driverCPU, dispatch: dispatch,
        counter: counter), .regions)
  }

  private func pool(for key: CostKey) throws(BenchError) -> SwiotlbPool {
    guard let pool = guest.pool else { throw .machine("no bounce pool was set up for \(key.path.name)") }
    return pool
  }

  func shadowMapper<Counter: WorkCounter>(
    _ key: CostKey, buffer: GuestBuffer? = nil, window: PremappedBuffer? = nil, _ counter: Counter
  ) throws -> ShadowMapper<Counter> {
    try ShadowMapper(
      memory: guest.memory, buffer: buffer ?? guest.shadow(bytes: key.bytes, queue, parameters),
      slotByteCount: BenchGuest.shadowSlot(key.bytes, parameters), window: window, counter: counter)
  }
}

// Paths behind an IOMMU: iommu-strict, iommu-lazy, premapped, viommu, mmu.
extension CaseFactory {
  mutating func iommu<Counter: WorkCounter>(_ key: CostKey, _ counter: Counter) throws -> BenchCase {
    let space = try space(key)
    let mapper = IOMMUMapper(
      domain: space.domain, policy: key.path == .iommuStrict ? .strict : .lazy, cpu: parameters.driverCPU,
      counter: counter)
    guard parameters.iommu.mergeBytes > 0 else { return try assemble(key, mapper, .domain(space)) }
    return try called(key, mapper, .domain(space))
  }

  mutating func premapped(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let domain = domain()
    // The mapper before the translator: with no device attached a map that fails waits for none.
    let mapper = try PremappedMapper(
      mappedBuffers, domain: domain, largePages: parameters.iommu.usesLargePages(parameters.pageSize),
      cpu: parameters.driverCPU, counter: counter)
    let windows = key.isolated ? mapper.deviceWindows : []
    return try assemble(key, mapper, .windows(domain, windows))
  }

  mutating func viommu(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let space = try space(key)
    switch parameters.iommu.viommuPrice {
    case .injected:
      let exit = InjectedExit(nanoseconds: UInt64(parameters.iommu.viommuNanoseconds))
      return try called(
        key, ViommuMapper(domain: space.domain, exit: exit, cpu: parameters.driverCPU, counter: counter),
        .domain(space))
    case .process:
      let vmm = try startVMM()
      return try called(
        key, ViommuMapper(domain: space.domain, exit: vmm.driver, cpu: parameters.driverCPU, counter: counter),
        .viommu(space.domain, vmm.device))
    }
  }

  mutating func mmu(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    guard guest.sharedPayload.region.pageSize != .reserved2M else {
      throw BenchError.machine(
        "mmu shows single pages, and the payload lies on reserved 2 MiB pages here; leave out --page-size 2m")
    }
    // Up to two ranges of address space more for each mapping: the one shown, and what is split off beside it.
    let mappings = 2 * parameters.depth * (parameters.features.contains(.indirect) ? 3 : 1) + 2_000
    if let most = SystemFile.number("/proc/sys/vm/max_map_count"), mappings > most {
      throw BenchError.machine(
        "mmu needs up to \(mappings) ranges of address space for this depth, and vm.max_map_count is \(most); lower "
          + "--depth"
      )
    }
    // A range starts at a multiple of its size; some wait in caches for reuse.
    let stride = max(Payload.stride(for: key.bytes), parameters.iommu.mergeBytes)
    let largest = 1 << (Int.bitWidth - (2 * stride - 1).leadingZeroBitCount)
    let window = try MMUWindow(
      memory: guest.memory, byteCount: max(1 << 30, (parameters.depth + 512) * largest), cpuCount: cpuCount)
    return try called(key, MMUMapper(window: window, cpu: parameters.driverCPU, counter: counter), .mmu(window))
  }

  /// A path behind calls: each buffer is mapped, or each fragment of several.
  private mutating func called<Mapper: DMAMapper & ~Copyable>(
    _ key: CostKey, _ mapper: consuming Mapper, _ side: DeviceSide
  ) throws -> BenchCase {
    let bytes = parameters.iommu.mergeBytes
    guard bytes > 0 else { return try assemble(key, CalledMapper(mapper), side) }
    return try assemble(key, CalledMapper(FragmentMapper(mapper, mappedBuffers, fragmentByteCount: bytes)), side)
  }

  /// The address space of a case's device: shared by its queues, or one that another process has a part in.
  func space(_ key: CostKey) throws -> DeviceSpace {
    guard key.isolated else { return DeviceSpace(domain: domain()) }
    // Each range begins at a multiple of its size. Those of all buffers in flight, of their tables, and of what waits
    // for a flush are apart from each other, and so is what is mapped for good.
    let bytes = max(Payload.stride(for: key.bytes), parameters.iommu.mergeBytes)
    let pages = 1 << (Int.bitWidth - (bytes / 4096).leadingZeroBitCount)
    let ranges = parameters.depth * parameters.segments * (parameters.features.contains(.indirect) ? 2 : 1) + 512
    let tables = 2 * ranges * pages / 512 + 2 * BenchGuest.shadowByteCount(parameters) >> 21 + 64
    // No more than the domain of two threads may have.
    let tablePages = min(tables, iommuConfiguration.maximumTablePages)
    let attachment = try DomainAttachment(
      IOMMUDomain(sharing: guest.memory, tablePages: tablePages, configuration: iommuConfiguration))
    return DeviceSpace(domain: attachment.domain, attachment: attachment)
  }

  /// This program once more, as the process that holds the translations.
  private func startVMM() throws(BenchError) -> ViommuProcess {
    var arguments = [
      BenchProcess.viommuServer, "--parent", "\(getpid())", "--driver-cpu", "\(parameters.driverCPU)", "--device-cpu",
      "\(parameters.deviceCPU)",
    ]
    if parameters.iommu.pages == .small { arguments.append("--small-pages") }
    do throws(ViommuFailure) {
      let process = try ViommuProcess(executable: ProgramArguments.ownPath, arguments: arguments)
      for client in [process.driver, process.device] { client.isOver = { Interrupt.isRequested } }
      // One that cannot run has ended by now, or does; of one that runs the answer to this is known.
      do throws(ViommuFailure) { try process.driver.unmapped(IOVA(0x1000), pages: 1) } catch {
        guard error == .refused(.notMapped) else { throw error }
      }
      return process
    } catch {
      throw .machine("the process that holds the translations of viommu cannot be started: \(error)")
    }
  }
}

/// What this program is when it starts itself once more.
enum BenchProcess {
  static let viommuServer = "viommu-server"
  static let device = "device"
}

extension CaseFactory {
  mutating func hybrid(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let control: HybridControl
    var calibrator: HybridCalibrator?
    if let given = parameters.hybridThreshold {
      control = HybridControl(HybridThreshold(UInt32(clamping: given)))
    } else if form == .ring {
      let own = try self.calibrator(key.ring)
      (control, calibrator) = (own.control, own)
    } else {
      control = HybridControl(HybridThreshold(0))
    }
    let space = try space(key)
    let benchCase = try assemble(
      key, hybridMapper(key, control, space.domain, counter), .hybrid(space),
      figures: { ["thresholdBytes": Double(control.threshold[key.direction])] })
    benchCase.tuner = calibrator
    return benchCase
  }

  private func hybridMapper<Counter: WorkCounter>(
    _ key: CostKey, _ control: HybridControl, _ domain: IOMMUDomain, _ counter: Counter
  ) throws -> HybridMapper<IOMMUMapper<Counter>> {
    let buffer = try guest.shadow(bytes: key.bytes, queue, parameters)
    // As with premapped: mapped while no device is attached. In leaves of 2 MiB, unless another queue has a part in
    // them.
    let hasLargePages = parameters.iommu.pages != .small && parameters.queues == 1
    let window = try PremappedBuffer(
      hasLargePages ? guest.wholeLeaves(of: buffer) : buffer, domain: domain, largePages: hasLargePages,
      cpu: parameters.driverCPU)
    let mapping = IOMMUMapper(domain: domain, policy: .strict, cpu: parameters.driverCPU, counter: counter)
    return HybridMapper(
      control: control, copying: try shadowMapper(key, buffer: buffer, window: window, counter), mapping: mapping)
  }
}
