#if Bench
import BenchPaths
import BenchPlan
import RingKit

extension CostOptions {
  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> CostParameters {
    let parameters = try parameters(on: machine, defaults: CostParameters())
    try SizeLimits.check(parameters)
    return parameters
  }

  /// The same over other defaults, for a command in which a size that a path does not take is a result.
  func parameters(on machine: Machine, defaults: CostParameters) throws(BenchError) -> CostParameters {
    var parameters = defaults
    if !what.ring.isEmpty { parameters.rings = try RingLayout.parse(list: what.ring) }
    parameters.paths = try paths(defaults: parameters.paths)
    parameters.areNamed = !what.path.isEmpty
    parameters.isolation = try isolation.parameters(
      paths: what.path.isEmpty ? nil : parameters.paths, ViommuPrice.parse(iommu.viommuPrice))
    if !what.direction.isEmpty { parameters.directions = try DMADirection.parse(list: what.direction) }
    if !what.size.isEmpty { parameters.sizes = try sizes() }
    if !what.features.isEmpty { parameters.features = try RingFeature.parse(listOrNone: what.features) }
    parameters.pageSize = try PageChoice.parse(memory.pageSize)
    parameters.touch = try PayloadTouch.parse(expert.touch)
    parameters.retpoline = expert.retpoline
    parameters.queueSize = try SizeLimits.queueSize(what.queueSize, for: parameters.rings)
    try outstanding(&parameters)
    try parameters.set(duration, cpus, seed: expert.seed, on: machine)
    parameters.ringNode = try node(memory.ringNode, option: "--ring-node", on: machine)
    parameters.payloadNode = try node(memory.payloadNode, option: "--payload-node", on: machine)
    guard (1...65_536).contains(expert.iotlbSets), expert.iotlbSets & (expert.iotlbSets - 1) == 0 else {
      throw .usage("--iotlb-sets is a power of two up to 65536, not \(expert.iotlbSets)")
    }
    parameters.iotlbSets = expert.iotlbSets
    parameters.iommu = try iommu.parameters(paths: parameters.measuredPaths, sizes: parameters.sizes)
    try swiotlbPool(&parameters, on: machine)
    try mask(&parameters)
    parameters.shadowSlot = try shadowSlotBytes()
    parameters.hybridThreshold = try expert.hybridThreshold.map { text throws(BenchError) in
      try ByteCount.parse(text)
    }
    try queueSettings(&parameters, on: machine)
    guard parameters.isolation.paths.isEmpty || parameters.queues == 1 else {
      throw .usage("--isolate measures one queue; leave out --queues")
    }
    return parameters
  }

  /// The paths asked for; when none is named, those of the defaults that can have so many queues.
  private func paths(defaults: [DMAPath]) throws(BenchError) -> [DMAPath] {
    guard what.path.isEmpty else { return try DMAPath.parse(list: what.path) }
    return what.queues > 1 ? defaults.filter(\.takesSeveralQueues) : defaults
  }

  private func sizes() throws(BenchError) -> [Int] {
    try ListArgument.bytes(what.size) {
      $0 > 0
    } else: { _ in
      "a buffer of 0 bytes carries nothing; --size starts at 1"
    }
  }

  private func outstanding(_ parameters: inout CostParameters) throws(BenchError) {
    let queueSize = parameters.queueSize
    let depth = what.depth ?? min(128, queueSize)
    guard depth > 0 else { throw .usage("--depth starts at 1: with nothing outstanding nothing moves") }
    guard depth <= queueSize else {
      throw .usage(
        "a ring of \(queueSize) descriptors cannot hold \(depth) buffers; lower --depth or raise --queue-size")
    }
    let batch = what.batch ?? min(32, depth)
    guard batch > 0 else { throw .usage("--batch starts at 1") }
    guard batch <= depth else {
      throw .usage("a batch of \(batch) needs as many buffers outstanding, and --depth is \(depth)")
    }
    (parameters.depth, parameters.batch) = (depth, batch)
  }

  private func node(_ node: Int?, option: String, on machine: Machine) throws(BenchError) -> Int? {
    guard let node else { return nil }
    let known = machine.nodes.map(\.node)
    guard known.contains(node) else {
      throw .machine("this machine has no node \(node) (\(option)); it has: \(CPUList.text(known))")
    }
    return node
  }

  private func swiotlbPool(_ parameters: inout CostParameters, on machine: Machine) throws(BenchError) {
    guard (1...1_024).contains(expert.swiotlbMib) else {
      throw .usage("--swiotlb-mib is 1 to 1024, as in a guest, not \(expert.swiotlbMib)")
    }
    parameters.swiotlbMebibytes = expert.swiotlbMib
    switch expert.swiotlbAreas {
    case "1": parameters.swiotlbAreas = 1
    case "per-cpu": parameters.swiotlbAreas = SizeLimits.powerOfTwo(atLeast: machine.cpus.count)
    default: throw .usage("--swiotlb-areas is 1 or per-cpu, not '\(expert.swiotlbAreas)'")
    }
  }

  /// How many percent of the buffers lie above 4 GiB, and how many address bits the device has.
  ///
  /// Either says what is bounced, so both together are refused: with another mask the share is not what was asked for.
  private func mask(_ parameters: inout CostParameters) throws(BenchError) {
    guard expert.beyond == nil || expert.maskBits == nil else {
      throw .usage("--beyond places the buffers for a device of 32 address bits; leave --mask-bits or --beyond away")
    }
    if let beyond = expert.beyond {
      guard (0...100).contains(beyond) else { throw .usage("--beyond is 0 to 100 percent, not \(beyond)") }
      parameters.beyondPercent = beyond
    }
    if let maskBits = expert.maskBits {
      guard (31...64).contains(maskBits) else {
        throw .usage(
          "--mask-bits is 31 to 64, not \(maskBits): the bounce pool lies below 2 GiB and the device must reach it")
      }
      parameters.maskBits = maskBits
    }
  }

  private func shadowSlotBytes() throws(BenchError) -> Int? {
    guard let shadowSlot = expert.shadowSlot else { return nil }
    let bytes = try ByteCount.parse(shadowSlot)
    guard bytes > 0, bytes <= 16 << 20, bytes % 64 == 0 else {
      throw .usage("--shadow-slot is a multiple of 64 bytes up to 16 MiB, not \(bytes)")
    }
    return bytes
  }

  /// How many queues there are and where they run, or why that makes no sense or cannot be had.
  private func queueSettings(_ parameters: inout CostParameters, on machine: Machine) throws(BenchError) {
    // As many translators as one IOMMU serves at a time.
    try (1...16).check(what.queues, "--queues")
    parameters.queues = what.queues
    parameters.queueThreads = try QueueThreads.parse(memory.queueThreads)
    guard what.queues > 1 else {
      guard parameters.queueThreads == .pair else {
        throw .usage("--queue-threads own is for several queues; add --queues")
      }
      return
    }
    for path in parameters.measuredPaths where !path.takesSeveralQueues {
      throw .usage("\(path.name) is measured on one queue; leave it out with --path, or --queues away")
    }
    guard parameters.queueThreads == .own else { return }
    let taken = [parameters.driverCPU, parameters.deviceCPU]
    let others = machine.cpus.filter { !taken.contains($0) }
    let needed = 2 * (what.queues - 1)
    // Two threads that spin on one CPU would measure the scheduler.
    guard others.count >= needed else {
      throw .machine(
        "\(2 * what.queues) threads need a CPU each, and this process may use \(machine.cpus.count); use "
          + "--queue-threads pair"
      )
    }
    parameters.otherCPUs = (0..<(what.queues - 1)).map {
      CPUsOfQueue(driverCPU: others[2 * $0], deviceCPU: others[2 * $0 + 1])
    }
  }
}

extension DMAPath {
  /// Whether the path says what its queues share, or that they share nothing.
  ///
  /// `viommu` and `mmu` would need one VMM and one window that several queues change, and with `dma-mask` the payloads
  /// of one queue alone can lie around its mask.
  var takesSeveralQueues: Bool {
    switch self {
    case .direct, .identity, .iommuStrict, .iommuLazy, .premapped, .swiotlb, .shadow, .hybrid: true
    case .viommu, .mmu, .dmaMask: false
    }
  }
}
#endif
