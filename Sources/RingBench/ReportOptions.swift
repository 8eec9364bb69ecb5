#if Bench
import ArgumentParser
import BenchPage
import BenchPlan
import BenchReport
import Glibc

/// Where a report goes, and how it is written.
struct ReportOptions: ParsableArguments {
  @Option(help: "\(OutputFormat.names).", completion: OutputFormat.completion)
  var format = "text"

  @Option(help: "Write the report to this file, all of it or nothing. (default: standard output)", completion: .file())
  var output: String?

  @Option(help: "Also write the text report to this file, whatever the format of the other.", completion: .file())
  var textOutput: String?

  @Option(
    help: "Also write the percentiles of round trips to this file, as HdrHistogram's plotter reads them.",
    completion: .file())
  var hgrm: String?

  @Flag(help: "Leave the name of this host out of the result.")
  var anonymous = false

  @Flag(name: .shortAndLong, help: "Neither progress nor warnings on standard error; the result has the warnings.")
  var quiet = false

  /// The destination, checked before anything is measured.
  ///
  /// What is no result, `isResult` false, has no other formats than text and JSON.
  func destination(isResult: Bool = true) throws(BenchError) -> ReportDestination {
    let format = try isResult ? OutputFormat.parse(format) : .parse(ofReport: format)
    guard isResult || hgrm == nil else { throw .usage("--hgrm has nothing to write here: nothing is measured") }
    let (file, textFile) = (try OutputFile.checked(output), try OutputFile.checked(textOutput))
    _ = try OutputFile.checked(hgrm)
    if let textFile, file.map({ $0.isSame(as: textFile) }) ?? textFile.isStandardOutput {
      throw .usage("--output and --text-output go to one file, \(textFile.path); name another for one of them")
    }
    return ReportDestination(
      format: format, file: file, textFile: textFile, percentilePath: hgrm, isAnonymous: anonymous, isQuiet: quiet)
  }
}

/// Which placement class a text shows, and how much of it.
struct ClassOptions: ParsableArguments {
  @Option(
    name: .customLong("class"),
    help: "\(PlacementClass.names): which one the text shows. (default: the one with most slices)",
    completion: PlacementClass.completion)
  var placement: String?

  @Flag(help: "Print every table, not only the answer.")
  var all = false

  func shown() throws(BenchError) -> PlacementClass? {
    guard let placement else { return nil }
    return try PlacementClass.parse(placement)
  }

  /// The view of a document, in the class asked for, or, where nothing was measured in that, in the one with most
  /// slices.
  func view(of document: ResultDocument, _ shown: PlacementClass?, width: Int, isQuiet: Bool) -> TextView {
    let measured = document.measuredClasses
    var view = TextView(shownClass: shown, isFull: all, width: width)
    if let shown, !measured.isEmpty, !measured.contains(shown) {
      Progress(isQuiet: isQuiet).warn(
        "nothing was measured in class \(shown.name), only in \(measured.map(\.name).joined(separator: ", "))")
      view.shownClass = nil
    }
    return view
  }
}

/// The output of a command that lets cases take turns in slices.
struct SliceOutput: ParsableArguments {
  @OptionGroup var report: ReportOptions
  @OptionGroup var shownClass: ClassOptions
  @OptionGroup var baselines: BaselineOptions

  /// All that such a command does; whatever can be refused is refused before anything is measured.
  func run<Parameters: SliceSettings, Report: MeasuredReport>(
    _ command: String, _ parameters: (Machine) throws(BenchError) -> Parameters,
    _ measure: (Parameters, Machine, Progress) throws(BenchError) -> Report
  ) throws {
    let start = RunStart(of: command)
    let destination = try report.destination()
    let shown = try shownClass.shown()
    let machine = Machine.read()
    let parameters = try parameters(machine)
    let baselines = try baselines.prepare(command, parameters)
    let (_, document) = try destination.write(start, cpus: [parameters.driverCPU, parameters.deviceCPU]) {
      try measure(parameters, machine, $0)
    } text: { _, document, width in
      document.text(shownClass.view(of: document, shown, width: width, isQuiet: destination.isQuiet))
    }
    try baselines.finish(document, destination)
  }
}

extension ReportDestination {
  /// Measures, writes the document and ends an interrupted run with its exit code.
  ///
  /// - Parameters:
  ///   - start: when the run began, and of which command.
  ///   - cpus: those that measure; `nil` where that is not chosen.
  ///   - areTimes: whether times are measured; a debug build counts as well.
  ///   - measure: gets the progress line, which may warn.
  ///   - text: the report for people.
  /// - Returns: the report, and its document, of a run that came to its end.
  /// - Throws: what `measure` throws, or ``BenchError`` where the report cannot be written or has nothing to show.
  @discardableResult
  func write<Report: MeasuredReport>(
    _ start: RunStart, cpus: [Int]? = nil, areTimes: Bool = true, _ measure: (Progress) throws -> Report,
    text: (Report, ResultDocument, _ width: Int) -> String
  ) throws -> (report: Report, document: ResultDocument) {
    let progress = Progress(isQuiet: isQuiet)
    if areTimes, !Version.isOptimised { progress.warn(Lines.debugBuild) }
    // Before anything runs: afterwards the load would be its own.
    let findings = MachineCheck(cpus: cpus ?? Array(Machine.read().cpus.prefix(2))).findings().filter {
      $0.weight == .disturbs
    }
    let report = try measure(progress)
    progress.clear()
    // Said of figures: a refusal is one line.
    if !findings.isEmpty {
      progress.note("this machine may disturb it: \(findings.map(\.check).joined(separator: ", ")) ('ringbench check')")
    }
    // An interrupted run has what there was until then, which may be nothing.
    if !report.interrupted, let emptiness = report.emptiness { throw BenchError.check(emptiness) }
    let said = progress.warnings
    var document = try report.document(start.record(seed: report.seed, anonymous: isAnonymous))
    for warning in document.warnings where warning.kind != .interrupted { progress.warn(warning.text) }
    for finding in findings { document.warn(.environment, finding.warning) }
    for line in said { document.warn(line == Lines.debugBuild ? .debugBuild : .other, line) }
    try write(document) { width in text(report, document, width) }
    if let percentilePath, let missing = try PercentileExport.write([document], at: percentilePath) {
      progress.note(missing)
    }
    if report.interrupted { Glibc.exit(Interrupt.exitCode) }
    return (report, document)
  }

  /// The same of a report that has its text itself.
  @discardableResult
  func write<Report: TextReport>(
    _ start: RunStart, cpus: [Int]? = nil, areTimes: Bool = true, _ measure: (Progress) throws -> Report
  ) throws -> Report {
    try write(start, cpus: cpus, areTimes: areTimes, measure) { report, _, _ in report.text() }.report
  }
}
#endif
