#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// `ringbench shapes`: whether what is measured here has the shapes that others published.
struct ShapesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shapes",
    abstract: "Holds each published shape, A to K, against what is predicted and measured here.",
    discussion: """
      Each shape is a small table: what its expectation is, what the costs of the parts (a map and an unmap, a copy, a \
      translation, each measured without a ring in the same slices) predict, what real rings measured, and the \
      published figure. The verdict is agrees, differs, or cannot be shown here, with the reason.

      A the ladder of paths, B copying against mapping, C deferred invalidation, D persistent mappings, E areas of the \
      bounce pool, F an exhausted pool, G IOVA ranges beyond 128 KiB, H reach of the IOTLB, I translation in another \
      process, J indirect tables, K buffers kept in shared memory against swiotlb.

      Examples:
        ringbench shapes
        ringbench shapes A C J --format json
      """)

  @OptionGroup(title: OptionTitle.what) var what: ShapesOptions
  @OptionGroup(title: OptionTitle.duration) var duration: ShapesDuration
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions
  @OptionGroup(title: OptionTitle.output) var output: ShapesOutput

  func run() throws {
    let start = RunStart(of: "shapes")
    let destination = try report.destination()
    let machine = Machine.read()
    let parameters = try parameters(on: machine)
    try destination.write(start, cpus: [parameters.driverCPU, parameters.deviceCPU]) { progress in
      try ShapesMeasurement(parameters, machine).run(progress: progress)
    } text: { report, _, _ in
      report.text()
    }
  }

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> ShapeParameters {
    var parameters = ShapeParameters()
    if !what.shapes.isEmpty { parameters.shapes = try Shape.parse(list: what.shapes.map { $0.uppercased() }) }
    parameters.ring = try RingLayout.parse(what.ring)
    try OptionCheck.slices(duration.slices, milliseconds: duration.sliceMs, timeLimit: duration.timeLimit)
    (parameters.slices, parameters.sliceMilliseconds, parameters.timeLimit) = (
      duration.slices, duration.sliceMs, duration.timeLimit
    )
    (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
    parameters.seed = what.seed
    if let placement = output.placement { parameters.placement = try PlacementClass.parse(placement) }
    return parameters
  }
}

/// Which shapes, as text.
struct ShapesOptions: ParsableArguments {
  @Argument(help: "A to K, with blanks or commas between them. (default: all)")
  var shapes: [String] = []

  @Option(help: "\(RingLayout.names).", completion: RingLayout.completion)
  var ring = "split"

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1
}

/// How often and how long.
struct ShapesDuration: ParsableArguments {
  @Option(parsing: .unconditional, help: "Slices of each combination.")
  var slices = 60

  @Option(parsing: .unconditional, help: "Milliseconds of a slice.")
  var sliceMs = 2.0

  @Option(parsing: .unconditional, help: "Seconds for all shapes together.")
  var timeLimit = 150.0
}

/// Which placement class counts.
struct ShapesOutput: ParsableArguments {
  @Option(
    name: .customLong("class"),
    help: "\(PlacementClass.names): whose slices count. (default: for each shape the one with most of them)",
    completion: PlacementClass.completion)
  var placement: String?
}
#endif
