#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns
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
  @OptionGroup(title: OptionTitle.duration) var duration: DurationOptions<ShapesDuration>
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions
  @OptionGroup(title: OptionTitle.output) var output: ShapesOutput

  func run() throws {
    let start = RunStart(of: "shapes")
    let destination = try report.destination()
    let machine = Machine.read()
    let parameters = try parameters(on: machine)
    try destination.write(start, cpus: [parameters.driverCPU, parameters.deviceCPU]) { progress in
      try ShapesMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> ShapeParameters {
    var parameters = ShapeParameters()
    if !what.shapes.isEmpty { parameters.shapes = try Shape.parse(list: what.shapes.map { $0.uppercased() }) }
    parameters.ring = try RingLayout.parse(what.ring)
    try parameters.set(duration, cpus, seed: what.seed, on: machine)
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
enum ShapesDuration: DurationDefaults {
  static let (slices, milliseconds, seconds) = (60, 2.0, 150.0)
  static let (unit, whole) = ("combination", "all shapes together")
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
