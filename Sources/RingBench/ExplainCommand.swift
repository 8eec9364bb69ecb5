#if Bench
import ArgumentParser
import BenchPage
import BenchPaths
import BenchPlan
import BenchReport

/// `ringbench explain`: what a path stands for, and how a real guest gets there; which devices a secure platform takes.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Tells what a DMA path stands for, or what a kind of device demands of memory.",
    usage: "ringbench explain [NAME...] [options]",
    discussion: """
      Of a path: how a real guest gets on it, and what it leaves open. Of a kind of device, with --device: whether a \
      platform that hides its memory takes it, why, and what would have to change. Without a name: all of them.

      Examples:
        ringbench explain
        ringbench explain iommu-lazy
        ringbench explain swiotlb,dma-mask --format json
        ringbench explain --device
        ringbench explain --device balloon
      """)

  @OptionGroup(title: OptionTitle.what) var what: ExplainOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    Interrupt.endAtOnce()
    let destination = try report.destination(isResult: false)
    if what.device {
      let report = DeviceReport(devices: try DeviceExplanation.find(what.names))
      try destination.write(report) { _ in what.names.isEmpty ? report.overview() : report.inFull() }
    } else {
      let report = ExplainReport(paths: try PathExplanations.find(what.names))
      try destination.write(report) { _ in what.names.isEmpty ? report.overview() : report.inFull() }
    }
  }
}

/// What is explained.
struct ExplainOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "\(PathExplanations.names). With --device: kinds, or their numbers. Comma list, or several.", valueName: "name"),
    completion: DMAPath.completion)
  var names: [String] = []

  @Flag(help: "Explain kinds of virtio device instead of paths.")
  var device = false
}
#endif
