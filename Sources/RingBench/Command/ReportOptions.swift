#if Bench
import ArgumentParser
import BenchHarness
import BenchReport
import Glibc

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

/// Which placement class a text shows.
struct ClassOptions: ParsableArguments {
  @Option(
    name: .customLong("class"),
    help: "\(PlacementClass.names): which one the text shows. (default: the one with most slices)")
  var placement: String?

  func shown() throws(BenchError) -> PlacementClass? {
    guard let placement else { return nil }
    return try PlacementClass.parse(placement)
  }
}

/// A report that Ctrl-C may have cut short.
protocol InterruptibleReport: Encodable {
  var interrupted: Bool { get }
}

extension CostReport: InterruptibleReport {}
extension DriveReport: InterruptibleReport {}
extension ExhaustReport: InterruptibleReport {}
extension GuestReport: InterruptibleReport {}
extension RingReport: InterruptibleReport {}
extension ShapesReport: InterruptibleReport {}
extension SimulateReport: InterruptibleReport {}
extension SweepReport: InterruptibleReport {}

extension ReportDestination {
  /// Measures, writes the report and ends an interrupted run with its exit code.
  ///
  /// - Parameters:
  ///   - machine: where times are measured; `nil` where only counts matter, which a debug build counts as well.
  ///   - measure: gets the progress line, which may warn.
  ///   - text: the report for people.
  /// - Returns: the report of a run that came to its end.
  /// - Throws: what `measure` throws, or ``BenchError`` where the report cannot be written.
  @discardableResult
  func write<Report: InterruptibleReport>(
    timesOn machine: Machine?, _ measure: (Progress) throws -> Report, text: (Report) -> String
  ) throws -> Report {
    let progress = Progress()
    if let machine, !machine.optimised {
      progress.warn("this is a debug build: its times say nothing (use -c release)")
    }
    Interrupt.install()
    let report = try measure(progress)
    progress.clear()
    try write(report) { text(report) }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
    return report
  }
}
#endif
