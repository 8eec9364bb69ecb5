#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench shapes`: whether what is measured here has the shapes that others published.
struct ShapesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shapes",
    abstract: "Holds each published shape, A to J, against what is predicted and measured here.",
    discussion: """
      Each shape is a small table: what its expectation is, what the costs of the parts (a map and an unmap, a copy, a \
      translation, each measured without a ring in the same slices) predict, what real rings measured, and the published \
      figure. The verdict is agrees, differs, or cannot be shown here, with the reason.

      A the ladder of paths, B copying against mapping, C deferred invalidation, D persistent mappings, E areas of the \
      bounce pool, F an exhausted pool, G IOVA ranges beyond 128 KiB, H reach of the IOTLB, I translation in another \
      process, J indirect tables.

      Examples:
        ringbench shapes
        ringbench shapes A C J --format json
      """)

  @OptionGroup var options: ShapesOptions

  func run() throws {
    let destination = try options.report.destination()
    let machine = Machine.read()
    let parameters = try options.parameters(on: machine)
    let progress = Progress()
    if !machine.optimised { progress.warn("this is a debug build: its times say nothing (use -c release)") }
    Interrupt.install()
    let report = try ShapesMeasurement(parameters, machine).run(progress: progress)
    progress.clear()
    try destination.write(report) { report.text() }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
