#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// The options of `ringbench shapes`, as text; ``parameters(on:)`` gives them a meaning.
struct ShapesOptions: ParsableArguments {
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

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> ShapeParameters {
    var parameters = ShapeParameters()
    if !shapes.isEmpty { parameters.shapes = try Shape.parse(list: shapes.map { $0.uppercased() }) }
    parameters.ring = try RingLayout.parse(ring)
    guard (1...100_000).contains(slices) else { throw .usage("--slices is 1 to 100000, not \(slices)") }
    guard sliceMs >= 0.1, sliceMs <= 10_000 else { throw .usage("--slice-ms is 0.1 to 10000, not \(sliceMs)") }
    guard timeLimit > 0 else { throw .usage("--time-limit is a number of seconds above 0, not \(timeLimit)") }
    (parameters.slices, parameters.sliceMilliseconds, parameters.timeLimit) = (slices, sliceMs, timeLimit)
    (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
    parameters.seed = seed
    if let placement { parameters.placement = try PlacementClass.parse(placement) }
    return parameters
  }
}
#endif
