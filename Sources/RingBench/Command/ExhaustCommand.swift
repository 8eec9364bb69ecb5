#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench exhaust`: what becomes of a queue whose bounce pool is too small.
struct ExhaustCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exhaust",
    abstract: "Counts the maps that fail when a swiotlb pool is too small, and checks how the ring recovers.",
    discussion: """
      A buffer that finds no slots stays with the driver, which tries it again once something came back. Every byte and \
      the order of all buffers are checked; a lost, swapped or damaged one, or a queue that stands still, ends the run \
      with exit code 1. Buffers above 256 KiB are refused whatever the pool.

      Examples:
        ringbench exhaust
        ringbench exhaust --pool 1MiB --depth 16,64,256 --size 4KiB,256KiB --mode interleaved --format json
      """)

  @OptionGroup var options: ExhaustOptions

  func run() throws {
    let destination = try options.report.destination()
    let machine = Machine.read()
    let parameters = try options.parameters(on: machine)
    let progress = Progress()
    Interrupt.install()
    let report = try ExhaustMeasurement(parameters, machine).run(progress: progress)
    progress.clear()
    try destination.write(report) { report.text() }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
