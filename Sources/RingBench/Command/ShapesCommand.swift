#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import RingKit

/// `ringbench shapes`: whether what is measured here has the shapes that others published.
struct ShapesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shapes",
    abstract: "Holds each published shape, A to J, against what is predicted and measured here.",
    discussion: """
      Each shape is a small table: what its expectation is, what the costs of the parts (a map and an unmap, a copy, a \
      translation, each measured without a ring in the same slices) predict, what real rings measured, and the \
      published \
      figure. The verdict is agrees, differs, or cannot be shown here, with the reason.

      A the ladder of paths, B copying against mapping, C deferred invalidation, D persistent mappings, E areas of the \
      bounce pool, F an exhausted pool, G IOVA ranges beyond 128 KiB, H reach of the IOTLB, I translation in another \
      process, J indirect tables.

      Examples:
        ringbench shapes
        ringbench shapes A C J --format json
      """)

  @Argument(help: "A to J, with blanks or commas between them. (default: all)")
  var shapes: [String] = []

  @Option(help: "\(RingLayout.names).")
  var ring = "split"

  @OptionGroup var cpus: CPUOptions

  @Option(parsing: .unconditional, help: "Slices of each combination.")
  var slices = 60

  @Option(parsing: .unconditional, help: "Milliseconds of a slice.")
  var sliceMs = 2.0

  @Option(parsing: .unconditional, help: "Seconds for all shapes together.")
  var timeLimit = 150.0

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  @OptionGroup var report: ReportOptions

  @Option(
    name: .customLong("class"),
    help: "\(PlacementClass.names): whose slices count. (default: for each shape the one with most of them)")
  var placement: String?

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
    if !shapes.isEmpty { parameters.shapes = try Shape.parse(list: shapes.map { $0.uppercased() }) }
    parameters.ring = try RingLayout.parse(ring)
    try OptionCheck.slices(slices, milliseconds: sliceMs, timeLimit: timeLimit)
    (parameters.slices, parameters.sliceMilliseconds, parameters.timeLimit) = (slices, sliceMs, timeLimit)
    (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
    parameters.seed = seed
    if let placement { parameters.placement = try PlacementClass.parse(placement) }
    return parameters
  }
}
#endif
