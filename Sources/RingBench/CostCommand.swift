#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench cost`: the table that tells what each path costs.
struct CostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost",
    abstract: "Measures each DMA path on each ring against direct (the default).",
    discussion: """
      One driver and one device thread, pinned, pass buffers round a ring in a closed loop. Every path takes its turn \
      in short slices; slices in which the CPUs moved or were taken away are dropped and counted.

      Examples:
        ringbench
        ringbench cost --ring split --path swiotlb --size 1500 --format json
        ringbench cost --ring packed --path direct --touch none --batch 32
      """)

  @OptionGroup var options: CostOptions

  func run() throws {
    try options.output.run("cost") { machine throws(BenchError) in
      try options.parameters(on: machine)
    } _: { parameters, machine, progress throws(BenchError) in
      try CostMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }
}
#endif
