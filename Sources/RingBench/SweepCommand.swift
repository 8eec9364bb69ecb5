#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench sweep`: throughput over sizes, and where one path overtakes another.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Measures the paths over sizes from 64 bytes to beyond their limits, and finds each crossover.",
    discussion: """
      Takes the options of cost; unless they say otherwise it measures the split ring, all paths but the slow viommu \
      and mmu, and sizes from 64 bytes to 512 KiB in powers of two. A size that a path cannot take is a row with the \
      refusal. Where one path overtakes another is interpolated between sizes, with a 95 % interval over the slices; \
      beside it stands what the two paths' own costs, measured in the same run without a ring, predict: S* = bandwidth \
      x (t_map + t_unmap) / k, with k = 1 copy for a device-readable buffer and 2 for a device-writable one under \
      swiotlb.

      Examples:
        ringbench sweep
        ringbench sweep --path iommu-strict,swiotlb --touch none
        ringbench sweep --size 1k,2k,3k,4k,6k,8k --path swiotlb --format json
      """)

  @OptionGroup var options: CostOptions

  func run() throws {
    try options.output.run("sweep") { machine throws(BenchError) in
      try Self.parameters(options, on: machine)
    } _: { parameters, machine, progress throws(BenchError) in
      try SweepMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }

  /// What the options mean here: cost's, over other defaults and without its refusal of sizes.
  static func parameters(_ options: CostOptions, on machine: Machine) throws(BenchError) -> CostParameters {
    var defaults = CostParameters()
    defaults.rings = [.split]
    // A buffer that takes tens of microseconds leaves the others too few slices: only where they are named.
    defaults.paths = DMAPath.allCases.filter { $0 != .viommu && $0 != .mmu }
    defaults.sizes = (6...19).map { 1 << $0 }
    if options.isolation.isolate { throw .usage("sweep measures between two threads; --isolate is for cost") }
    let parameters = try options.parameters(on: machine, defaults: defaults)
    try SizeLimits.checkSweep(parameters)
    return parameters
  }
}
#endif
