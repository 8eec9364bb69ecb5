#if Bench
import ArgumentParser
import BenchPage
import BenchPlan
import BenchReport
import Glibc

/// `ringbench compare`: which rows of one result are faster or slower than those of another.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compares results, row by row: faster, slower, or no difference beyond chance.",
    usage: "ringbench compare RESULT... [--against RESULT...] [options]",
    discussion: """
      Rows are paired by ring, path, direction, size and placement class. A row is faster or slower when its time and \
      its ratio to direct both changed by more than the threshold, and by more than chance (Mann-Whitney, Holm). \
      Several files a side are pooled: runs on a quiet machine differ, and several show by how much. Of guests the \
      instructions of the kernel are compared: more, or fewer, where the boots of both sides do not overlap.

      Examples:
        ringbench compare before.json after.json
        ringbench compare guest-before.json guest-after.json --threshold 2 --all
        ringbench compare before-*.json --against after-*.json --fail-on slower
      """)

  @Argument(
    help: "Results of ringbench: two, or those of side A where --against names side B's.", completion: .results)
  var files: [String] = []

  @Option(parsing: .upToNextOption, help: "Results of side B.", completion: .results)
  var against: [String] = []

  @Option(parsing: .unconditional, help: "Percent below which a difference does not count.")
  var threshold = 3.0

  @Option(
    help: "\(FailOn.names): end with exit code 1 when there is such a row, and name it.", completion: FailOn.completion)
  var failOn: String?

  @Option(help: "text or json.", completion: .list(["text", "json"]))
  var format = "text"

  @Option(help: "Write to this file, all of it or nothing. (default: standard output)", completion: .file())
  var output: String?

  @Flag(help: "Show rows without a difference too.")
  var all = false

  func run() throws {
    Interrupt.endAtOnce()
    guard (0...1000).contains(threshold) else {
      throw BenchError.usage("--threshold is 0 to 1000 percent, not \(threshold)")
    }
    var failing: FailOn?
    if let failOn { failing = try FailOn.parse(failOn) }
    let file = try OutputFile.checked(output)
    let destination = ReportDestination(format: try OutputFormat.parse(ofReport: format), file: file, textFile: nil)
    let (a, b) = try sides()
    if a.runs.first?.run.subcommand == "guest" {
      return try compareGuests(a, b, destination, failing: failing)
    }
    let comparison = try Comparer(a, b, threshold: threshold / 100).compare()
    let isColoured = file == nil && Comparison.isColoured
    try destination.write(comparison) { width in
      comparison.text(isFull: all, width: width, isColoured: isColoured)
    }
    if let reason = comparison.whyNothing { throw BenchError.check("no row can be compared: \(reason)") }
    if failing == .slower { try comparison.refuseSlower() }
  }

  /// Instructions repeat where times do not: they have a comparison of their own.
  private func compareGuests(
    _ a: ComparedSide, _ b: ComparedSide, _ destination: ReportDestination, failing: FailOn?
  ) throws(BenchError) {
    let comparison = try GuestComparison(a, b, threshold: threshold / 100)
    try destination.write(comparison) { comparison.text(isFull: all, width: $0) }
    let more = comparison.rows(.more)
    guard failing == .slower, !more.isEmpty else { return }
    throw .check("more instructions: \(more.map { "\($0.name), \($0.operation)" }.joined(separator: "; "))")
  }

  private func sides() throws(BenchError) -> (ComparedSide, ComparedSide) {
    guard against.isEmpty else {
      guard !files.isEmpty else { throw .usage("--against names side B; name side A's results before it") }
      return (try side(files), try side(against))
    }
    guard files.count == 2 else {
      throw .usage("compare takes two results, or several with --against between the sides, not \(files.count)")
    }
    return (try side([files[0]]), try side([files[1]]))
  }

  private func side(_ paths: [String]) throws(BenchError) -> ComparedSide {
    var runs: [(name: String, document: ResultDocument)] = []
    for path in paths { runs.append((path, try ResultDocument.read(path))) }
    return ComparedSide(runs)
  }
}

/// What ends a comparison with exit code 1.
private enum FailOn: String, CaseIterable, NamedChoice {
  case slower

  static let noun = "reason to fail"
}

extension Comparison {
  /// Where colours are understood and wanted (no-color.org).
  static var isColoured: Bool {
    // SAFETY: variables of the environment are terminated strings, and nothing here changes them.
    let unwanted = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
    let kind = unsafe getenv("TERM").map { unsafe String(cString: $0) }
    return StandardStream.output.isTerminal && !unwanted && kind != nil && kind != "dumb"
  }

  /// Names what became slower and fails, if anything did.
  func refuseSlower() throws(BenchError) {
    let slower = rows(.slower)
    guard !slower.isEmpty else { return }
    throw .check("slower: \(slower.map(\.name).joined(separator: "; "))")
  }
}

/// Results that a later run is compared with.
struct BaselineOptions: ParsableArguments {
  @Option(help: "Compare with what was saved under this name; measure the same way.")
  var baseline: String?

  @Option(help: "Keep the result under this name, for --baseline.")
  var saveBaseline: String?

  /// Checked before anything is measured.
  func prepare(_ subcommand: String, _ parameters: some Encodable) throws(BenchError) -> Baselines {
    var baselines = Baselines(name: baseline ?? "")
    if let baseline {
      let document = try Baseline.load(baseline)
      try document.checkComparable(with: subcommand, parameters, named: baseline)
      baselines.earlier = document
    }
    if let saveBaseline { baselines.file = try Baseline.file(saveBaseline) }
    return baselines
  }
}

/// What is done with a result once it is there.
struct Baselines {
  let name: String
  var earlier: ResultDocument?
  var file: OutputFile?

  /// Keeps the document, and compares it; beside a report that is read by a program the comparison is for people.
  func finish(_ document: ResultDocument, _ destination: ReportDestination) throws(BenchError) {
    try file?.write(try JSONText.encode(document))
    guard let earlier else { return }
    let comparison = try Comparer(
      ComparedSide([("baseline \(name)", earlier)]), ComparedSide([("this run", document)]), threshold: 0.03
    ).compare()
    let isBeside = destination.isTextOnOutput
    let text = comparison.text(
      width: isBeside ? TextWidth.ofStandardOutput() : TextWidth.standard,
      isColoured: isBeside && Comparison.isColoured)
    (isBeside ? StandardStream.output : .error).write("\n" + text)
  }
}
#endif
