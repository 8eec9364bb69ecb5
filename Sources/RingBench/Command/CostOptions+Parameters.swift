#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform

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
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    parameters.paths = try paths(defaults: parameters.paths)
    parameters.isolation = try isolation.parameters(
      paths: path.isEmpty ? nil : parameters.paths, ViommuPrice.parse(iommu.viommuPrice))
    if !direction.isEmpty { parameters.directions = try DMADirection.parse(list: direction) }
    if !size.isEmpty { parameters.sizes = try Self.sizes(size) }
    if !features.isEmpty, ListArgument.elements(features) != ["none"] {
      parameters.features = try RingFeature.parse(list: features)
    }
    parameters.pageSize = try PageSizeRequest.parse(pageSize)
    parameters.touch = try PayloadTouch.parse(touch)
    parameters.retpoline = retpoline
    parameters.seed = seed
    parameters.queueSize = try SizeLimits.queueSize(queueSize, for: parameters.rings)
    parameters.depth = try outstanding(queueSize: parameters.queueSize)
    parameters.batch = try together(depth: parameters.depth)
    (parameters.slices, parameters.sliceMilliseconds) = try sliceSettings()
    guard timeLimit > 0 else { throw .usage("--time-limit is a number of seconds above 0, not \(timeLimit)") }
    parameters.timeLimit = timeLimit
    (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
    parameters.ringNode = try node(ringNode, option: "--ring-node", on: machine)
    parameters.payloadNode = try node(payloadNode, option: "--payload-node", on: machine)
    parameters.iotlbSets = try iotlb()
    parameters.iommu = try iommu.parameters(paths: parameters.measuredPaths, sizes: parameters.sizes)
    (parameters.swiotlbAreas, parameters.swiotlbMebibytes) = try swiotlbPool(on: machine)
    (parameters.beyondPercent, parameters.maskBits) = try mask()
    parameters.shadowSlot = try shadowSlotBytes()
    parameters.hybridThreshold = try hybridThreshold.map { text throws(BenchError) in try ByteCount.parse(text) }
    try queueSettings(&parameters, on: machine)
    guard parameters.isolation.paths.isEmpty || parameters.queues == 1 else {
      throw .usage("--isolate measures one queue; leave out --queues")
    }
    return parameters
  }

  /// The placement class that the text was asked to show.
  func shownClass() throws(BenchError) -> PlacementClass? {
    guard let placement else { return nil }
    return try PlacementClass.parse(placement)
  }

  private static func sizes(_ arguments: [String]) throws(BenchError) -> [Int] {
    var sizes: [Int] = []
    for text in ListArgument.elements(arguments) {
      let bytes = try ByteCount.parse(text)
      guard bytes > 0 else { throw .usage("a buffer of 0 bytes carries nothing; --size starts at 1") }
      if !sizes.contains(bytes) { sizes.append(bytes) }
    }
    guard !sizes.isEmpty else { throw .usage("an empty list of sizes; write for example --size 1500,4096") }
    return sizes
  }

  private func outstanding(queueSize: Int) throws(BenchError) -> Int {
    guard let depth else { return min(128, queueSize) }
    guard depth > 0 else { throw .usage("--depth starts at 1: with nothing outstanding nothing moves") }
    guard depth <= queueSize else {
      throw .usage(
        "a ring of \(queueSize) descriptors cannot hold \(depth) buffers; lower --depth or raise --queue-size")
    }
    return depth
  }

  private func together(depth: Int) throws(BenchError) -> Int {
    guard let batch else { return min(32, depth) }
    guard batch > 0 else { throw .usage("--batch starts at 1") }
    guard batch <= depth else {
      throw .usage("a batch of \(batch) needs as many buffers outstanding, and --depth is \(depth)")
    }
    return batch
  }

  private func sliceSettings() throws(BenchError) -> (Int, Double) {
    guard (1...100_000).contains(slices) else { throw .usage("--slices is 1 to 100000, not \(slices)") }
    guard sliceMs >= 0.1, sliceMs <= 10_000 else { throw .usage("--slice-ms is 0.1 to 10000, not \(sliceMs)") }
    return (slices, sliceMs)
  }

  private func node(_ node: Int?, option: String, on machine: Machine) throws(BenchError) -> Int? {
    guard let node else { return nil }
    let known = machine.nodes.map(\.node)
    guard known.contains(node) else {
      throw .machine("this machine has no node \(node) (\(option)); it has: \(CPUList.text(known))")
    }
    return node
  }

  private func iotlb() throws(BenchError) -> Int {
    guard (1...65_536).contains(iotlbSets), iotlbSets & (iotlbSets - 1) == 0 else {
      throw .usage("--iotlb-sets is a power of two up to 65536, not \(iotlbSets)")
    }
    return iotlbSets
  }

  private func swiotlbPool(on machine: Machine) throws(BenchError) -> (Int, Int) {
    guard (1...1_024).contains(swiotlbMib) else {
      throw .usage("--swiotlb-mib is 1 to 1024, as in a guest, not \(swiotlbMib)")
    }
    switch swiotlbAreas {
    case "1": return (1, swiotlbMib)
    case "per-cpu": return (SizeLimits.powerOfTwo(atLeast: machine.cpus.count), swiotlbMib)
    default: throw .usage("--swiotlb-areas is 1 or per-cpu, not '\(swiotlbAreas)'")
    }
  }
}
#endif
