#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns
import RingKit

/// `ringbench scale`: what becomes of the cost of a buffer as something around it grows.
struct ScaleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "Measures whether a buffer's cost stays flat as rings, mappings, queues and memory grow, and why not.",
    discussion: """
      Each path takes turns with itself along an axis, with all else as it was: queue-size, descriptors of the ring \
      with \(ScaleParameters.depth) buffers outstanding; mappings, buffers outstanding in one large ring; queues, over \
      one pool or one domain; memory, bytes that the buffers lie spread over. A path is flat where the last point by \
      the first is 1 within a tenth; else the work that grew is named, or the memory that goes round. Queues that have \
      no CPUs here take turns on two, which shows no contention; beside them stands what a simulation in virtual time \
      predicts, and is called simulated.

      Examples:
        ringbench scale
        ringbench scale --axis queue-size --ring split,packed --path iommu-lazy
        ringbench scale --axis memory --memory 1MiB,64GiB --format json
      """)

  @OptionGroup(title: OptionTitle.what) var what: ScaleOptions
  @OptionGroup(title: OptionTitle.duration) var duration: DurationOptions<ScaleDuration>
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.output) var output: SliceOutput

  func run() throws {
    try output.run("scale") { machine throws(BenchError) in
      try what.parameters(duration, cpus, on: machine)
    } _: { parameters, machine, progress throws(BenchError) in
      try ScaleMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }
}

/// How often and how long.
enum ScaleDuration: DurationDefaults {
  static let (slices, milliseconds, seconds) = (100, 2.0, 45.0)
  static let (unit, whole) = ("point", "everything, what is set up and simulated included")
}

/// The paths that are measured here.
private enum ScalePaths {
  /// Those whose cost has no price from elsewhere and no threshold that is measured first.
  static let all: [DMAPath] = [.direct, .identity, .iommuStrict, .iommuLazy, .premapped, .swiotlb, .shadow]
}

/// What grows, as text.
struct ScaleOptions: ParsableArguments {
  @Option(help: "\(ScaleAxis.names). \(OptionTitle.lists) (default: all)", completion: ScaleAxis.completion)
  var axis: [String] = []

  @Option(
    help: """
      \(ScalePaths.all.map(\.name).joined(separator: ", ")). \(OptionTitle.lists) direct is always measured. \
      (default: direct,swiotlb,iommu-strict,iommu-lazy)
      """,
    completion: .list(ScalePaths.all.map(\.name)))
  var path: [String] = []

  @Option(help: "\(RingLayout.names). \(OptionTitle.lists) (default: split)", completion: RingLayout.completion)
  var ring: [String] = []

  @Option(help: "device-readable or device-writable.", completion: DMADirection.completion)
  var direction = "device-readable"

  @Option(parsing: .unconditional, help: "Bytes of a buffer, up to a page.")
  var size = "64"

  @Option(
    parsing: .unconditionalSingleValue,
    help: """
      Descriptors, powers of two from \(ScaleParameters.depth) on. \(OptionTitle.lists) (default: \
      64,256,1024,4096,16384,32768)
      """)
  var queueSize: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Buffers outstanding, up to 16384. \(OptionTitle.lists) (default: 16,64,256,1024,4096,16384)")
  var mappings: [String] = []

  @Option(parsing: .unconditionalSingleValue, help: "Queues, 1 to 16. \(OptionTitle.lists) (default: 1,2,4,8,16)")
  var queues: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: """
      Bytes of guest memory, 1MiB to 64GiB, sparse. \(OptionTitle.lists) (default: 1MiB,16MiB,256MiB,4GiB,64GiB)
      """)
  var memory: [String] = []

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(
    _ duration: DurationOptions<ScaleDuration>, _ cpus: CPUOptions, on machine: Machine
  ) throws(BenchError) -> ScaleParameters {
    var parameters = ScaleParameters()
    if !axis.isEmpty { parameters.axes = try ScaleAxis.parse(list: axis) }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    if !path.isEmpty { parameters.paths = try paths() }
    parameters.direction = try DMADirection.parse(direction)
    parameters.bytes = try ByteCount.parse(size)
    try (1...4_096).check(parameters.bytes, "--size")
    if !queueSize.isEmpty {
      parameters.queueSizes = try ListArgument.numbers(queueSize, ScaleParameters.depth...32_768, "--queue-size")
        .sorted()
      for size in parameters.queueSizes { _ = try SizeLimits.queueSize(size, for: parameters.rings) }
    }
    if !mappings.isEmpty {
      parameters.mappings = try ListArgument.numbers(mappings, 1...16_384, "--mappings").sorted()
    }
    if !queues.isEmpty { parameters.queueCounts = try ListArgument.numbers(queues, 1...16, "--queues").sorted() }
    if !memory.isEmpty {
      parameters.memoryBytes = try ListArgument.bytes(memory) {
        (1 << 20...64 << 30).contains($0) && $0 % 4_096 == 0
      } else: {
        "--memory is 1 MiB to 64 GiB in whole pages, not \($0)"
      }.sorted()
    }
    try parameters.set(duration, cpus, seed: seed, on: machine)
    let others = machine.cpus.filter { ![parameters.driverCPU, parameters.deviceCPU].contains($0) }
    let wanted = (parameters.queueCounts.max() ?? 1) - 1
    parameters.otherCPUs = (0..<min(wanted, others.count / 2)).map {
      CPUsOfQueue(driverCPU: others[2 * $0], deviceCPU: others[2 * $0 + 1])
    }
    return parameters
  }

  private func paths() throws(BenchError) -> [DMAPath] {
    let paths = try DMAPath.parse(list: path)
    for path in paths where !ScalePaths.all.contains(path) {
      throw .usage(
        "scale does not measure \(path.name); choose from: \(ScalePaths.all.map(\.name).joined(separator: ", "))")
    }
    return paths
  }
}
#endif
