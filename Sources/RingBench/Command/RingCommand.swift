#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench ring`: the rings alone, beside the smallest program that moves the same cache lines.
struct RingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ring",
    abstract: "Measures the rings alone against their floor: the same cache lines with nothing around them.",
    discussion: """
      The payload is not touched and addresses go straight into descriptors (path direct). Each ring takes turns with \
      a C program that moves the same lines between the same two threads without checks, bookkeeping or interface; \
      of several such programs the fastest is the floor.

      Examples:
        ringbench ring
        ringbench ring --ring packed --batch 1,4,16,32,64,128 --format json
        ringbench ring --chain 3 --indirect off,on --outstanding 16
        ringbench ring --notification eventfd --outstanding 1
      """)

  @OptionGroup var options: RingOptions

  func run() throws {
    let destination = try options.report.destination()
    let shown = try options.shownClass()
    let machine = Machine.read()
    let parameters = try options.parameters(on: machine)
    let progress = Progress()
    if !machine.optimised { progress.warn("this is a debug build: its times say nothing (use -c release)") }
    if parameters.impossible > 0 {
      progress.warn("\(parameters.impossible) of the combinations fit into no ring and are left out")
    }
    Interrupt.install()
    let report = try RingMeasurement(parameters, machine).run(progress: progress)
    progress.clear()
    try destination.write(report) { report.text(shownClass: shown) }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
