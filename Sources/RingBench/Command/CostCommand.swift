#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport

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
    let start = RunStart(of: "cost")
    let destination = try options.report.destination()
    let shown = try options.shownClass.shown()
    let machine = Machine.read()
    let parameters = try options.parameters(on: machine)
    let baselines = try options.baselines.prepare("cost", parameters)
    let (_, document) = try destination.write(
      start, cpus: [parameters.driverCPU, parameters.deviceCPU]
    ) { progress in
      try CostMeasurement(parameters, machine).run(progress: progress)
    } text: { _, document, width in
      document.text(options.shownClass.view(of: document, shown, width: width, isQuiet: destination.isQuiet))
    }
    try baselines.finish(document, destination)
  }
}
#endif
