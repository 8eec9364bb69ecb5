import ArgumentParser

/// Where a report goes, and how it is written.
struct ReportOptions: ParsableArguments {
  @Option(help: "text or json.")
  var format = "text"

  @Option(help: "Write the report to this file, all of it or nothing. (default: standard output)")
  var output: String?

  /// The destination, checked before anything is measured.
  func destination() throws(BenchError) -> ReportDestination {
    let format = try OutputFormat.parse(format)
    guard let output else { return ReportDestination(format: format, file: nil) }
    return ReportDestination(format: format, file: try OutputFile(checking: output))
  }
}
