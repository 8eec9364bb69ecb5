#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench simulate`: what the locks would do on machines with more CPUs than this one.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Predicts, by a simulation in virtual time, how the locks of a path scale to 128 CPUs.",
    discussion: """
      Nothing here is a measurement of many CPUs. Costs of the real code are timed on one thread; a simulation lets 1 to \
      128 CPUs meet at the lock, the tree, the depot or the invalidation queue. --check holds it against real threads.

      Examples:
        ringbench simulate --check
        ringbench simulate --model swiotlb-one-area,swiotlb-per-cpu --cpus 1,8,64
        ringbench simulate --model invalidation-strict,invalidation-lazy --primitive serve=700 --format json
      """)

  @OptionGroup var options: SimulateOptions

  func run() throws {
    let destination = try options.report.destination()
    let machine = Machine.read()
    let parameters = try options.parameters(on: machine)
    let progress = Progress()
    if !machine.optimised { progress.warn("this is a debug build: its times say nothing (use -c release)") }
    Interrupt.install()
    let report = try SimulationRun(parameters, machine).run(progress: progress)
    progress.clear()
    try destination.write(report) { report.text() }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
