#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// Where a report goes, and how it is written.
struct ReportOptions: ParsableArguments {
  @Option(help: "text or json.")
  var format = "text"

  @Option(help: "Write the report to this file, all of it or nothing. (default: standard output)")
  var output: String?

  @Option(help: "Also write the text report to this file, whatever the format of the other.")
  var textOutput: String?

  /// The destination, checked before anything is measured.
  func destination() throws(BenchError) -> ReportDestination {
    let format = try OutputFormat.parse(format)
    // Not `map`: the checks throw a typed error.
    var (file, textFile): (OutputFile?, OutputFile?)
    if let output { file = try OutputFile(checking: output) }
    if let textOutput { textFile = try OutputFile(checking: textOutput) }
    return ReportDestination(format: format, file: file, textFile: textFile)
  }
}
#endif
