#if Bench
import BenchHarness
import BenchPaths
import BenchReport

extension CostOptions {
  /// The paths asked for; when none is named, those of the defaults that can have so many queues.
  func paths(defaults: [DMAPath]) throws(BenchError) -> [DMAPath] {
    guard path.isEmpty else { return try DMAPath.parse(list: path) }
    return queues > 1 ? defaults.filter(\.takesSeveralQueues) : defaults
  }

  /// How many queues there are and where they run, or why that makes no sense or cannot be had.
  func queueSettings(_ parameters: inout CostParameters, on machine: Machine) throws(BenchError) {
    guard (1...CostParameters.mostQueues).contains(queues) else {
      throw .usage("--queues is 1 to \(CostParameters.mostQueues), not \(queues)")
    }
    parameters.queues = queues
    parameters.queueThreads = try QueueThreads.parse(queueThreads)
    guard queues > 1 else { return }
    for path in parameters.measuredPaths where !path.takesSeveralQueues {
      throw .usage("\(path.name) is measured on one queue; leave it out with --path, or --queues away")
    }
    guard parameters.queueThreads == .own else { return }
    let taken = [parameters.driverCPU, parameters.deviceCPU]
    let others = machine.cpus.filter { !taken.contains($0) }
    let needed = 2 * (queues - 1)
    // Two threads that spin on one CPU would measure the scheduler.
    guard others.count >= needed else {
      throw .machine(
        "\(2 * queues) threads need a CPU each, and this process may use \(machine.cpus.count); use --queue-threads pair"
      )
    }
    parameters.otherCPUs = (0..<(queues - 1)).map {
      CPUsOfQueue(driverCPU: others[2 * $0], deviceCPU: others[2 * $0 + 1])
    }
  }
}

extension CostParameters {
  /// As many translators as one IOMMU serves at a time.
  static let mostQueues = 16
}

extension DMAPath {
  /// Whether the path says what its queues share, or that they share nothing.
  ///
  /// `viommu` and `mmu` would need one VMM and one window that several queues change, and with `dma-mask` the payloads of
  /// one queue alone can lie around its mask.
  var takesSeveralQueues: Bool {
    switch self {
    case .direct, .identity, .iommuStrict, .iommuLazy, .premapped, .swiotlb, .shadow, .hybrid: true
    case .viommu, .mmu, .dmaMask: false
    }
  }
}
#endif
