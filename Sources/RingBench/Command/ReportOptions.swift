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
    if let textFile, file.map({ $0.isSame(as: textFile) }) ?? textFile.isStandardOutput {
      throw .usage("--output and --text-output go to one file, \(textFile.path); name another for one of them")
    }
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

extension ClassOptions {
  /// The report in the class asked for, or, where nothing was measured in that, in the one with most slices.
  func text(of report: some ClassedReport, _ shown: PlacementClass?) -> String {
    guard let shown, !report.measuredClasses.isEmpty, !report.measuredClasses.contains(shown) else {
      return report.text(shownClass: shown)
    }
    let others = PlacementClass.allCases.filter { report.measuredClasses.contains($0) }.map(\.name)
    Progress().warn("nothing was measured in class \(shown.name), only in \(others.joined(separator: ", "))")
    return report.text(shownClass: nil)
  }
}

/// A report whose text is about one placement class.
protocol ClassedReport {
  var measuredClasses: [PlacementClass] { get }
  func text(shownClass: PlacementClass?) -> String
}

extension CostReport: ClassedReport {}
extension RingReport: ClassedReport {}
extension SweepReport: ClassedReport {}

/// A report that a signal may have cut short.
protocol InterruptibleReport: Encodable {
  var interrupted: Bool { get }
  /// Why there is nothing to show, and what to change; `nil` where there is something.
  var emptiness: String? { get }
  /// What has to be seen before the figures.
  var caution: String? { get }
}

extension InterruptibleReport {
  var emptiness: String? { nil }
  var caution: String? { nil }
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
  /// - Throws: what `measure` throws, or ``BenchError`` where the report cannot be written or has nothing to show.
  @discardableResult
  func write<Report: InterruptibleReport>(
    timesOn machine: Machine?, _ measure: (Progress) throws -> Report, text: (Report) -> String
  ) throws -> Report {
    let progress = Progress()
    if let machine, !machine.optimised {
      progress.warn("this is a debug build: its times say nothing (use -c release)")
    }
    let report = try measure(progress)
    progress.clear()
    // An interrupted run has what there was until then, which may be nothing.
    if !report.interrupted, let emptiness = report.emptiness { throw BenchError.check(emptiness) }
    if let caution = report.caution { progress.warn(caution) }
    try write(report) { text(report) }
    if report.interrupted { Glibc.exit(Interrupt.exitCode) }
    return report
  }
}
#endif
