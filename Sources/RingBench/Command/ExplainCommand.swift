import ArgumentParser

/// `ringbench explain`: what a path stands for, and how a real guest gets there.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Tells what a DMA path stands for, how a real guest gets on it, and what it leaves open.",
    discussion: """
      Without a path: all of them, a line each.

      Examples:
        ringbench explain
        ringbench explain iommu-lazy
        ringbench explain swiotlb,dma-mask --format json
      """)

  @Argument(help: "\(PathExplanations.names). Comma list, or several.")
  var path: [String] = []

  @OptionGroup var report: ReportOptions

  func run() throws {
    let destination = try report.destination()
    let report = ExplainReport(paths: try PathExplanations.find(path))
    let text = ExplainText(report)
    try destination.write(report) { path.isEmpty ? text.overview() : text.inFull() }
  }
}
