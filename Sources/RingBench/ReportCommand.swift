#if Bench
import ArgumentParser
import BenchHarness
import BenchPage
import BenchReport
import FoundationEssentials
import Glibc

/// `ringbench report`: results as one page.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draws results as one HTML page: no script, nothing fetched.",
    discussion: """
      One result is drawn in full; two are compared as well; more stand side by side, a column each, and beyond \
      eight there are no pictures of each.

      Examples:
        ringbench report result.json -o report.html
        ringbench report before.json after.json -o report.html --svg-dir pictures
      """)

  @Argument(
    help: ArgumentHelp("Results that '--format json' wrote; - is standard input.", valueName: "result"),
    completion: .results)
  var results: [String]

  @Option(name: .shortAndLong, help: "Write the page to this file. (default: standard output)", completion: .file())
  var output: String?

  @Option(
    help: "Also write each picture to a file of its own in this folder, which is made.", completion: .directory)
  var svgDir: String?

  func run() throws {
    Interrupt.endAtOnce()
    let file = try OutputFile.checked(output)
    let page = ReportPage(try ResultInput.read(results))
    if let svgDir {
      guard unsafe mkdir(svgDir, 0o755) == 0 || errno == EEXIST else {
        throw BenchError.usage("cannot make the folder \(svgDir): \(Errno.text(errno))")
      }
      for picture in page.pictures { try OutputFile(checking: "\(svgDir)/\(picture.name).svg").write(picture.svg) }
    }
    try OutputFile.deliver(page.html, to: file)
  }
}

/// `ringbench convert`: results in the words of other programs.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Writes results in a format that another program reads.",
    usage: "ringbench convert RESULT... [--format FORMAT] [options]",
    discussion: """
      Every command that measures takes the same formats.

      Examples:
        ringbench convert result.json --format csv
        ringbench convert host-a.json host-b.json --format ndjson -o all.ndjson
        ringbench convert result.json --hgrm percentiles.hgrm
      """)

  @Argument(
    help: ArgumentHelp("Results that '--format json' wrote; - is standard input.", valueName: "result"),
    completion: .results)
  var results: [String]

  @Option(help: "\(OutputFormat.names); not needed beside --hgrm.", completion: OutputFormat.completion)
  var format: String?

  @Option(
    help: "Write the percentiles of round trips to this file, as HdrHistogram's plotter reads them.",
    completion: .file())
  var hgrm: String?

  @Option(
    name: .shortAndLong, help: "Write to this file, all of it or nothing. (default: standard output)",
    completion: .file())
  var output: String?

  func run() throws {
    Interrupt.endAtOnce()
    let file = try OutputFile.checked(output)
    guard format != nil || hgrm != nil else { throw BenchError.usage("--format is missing: \(OutputFormat.names)") }
    let format = try format.map { try OutputFormat.parse($0) }
    let documents = try ResultInput.read(results).map(\.document)
    if let hgrm, let missing = try PercentileExport.write(documents, at: hgrm) { throw BenchError.check(missing) }
    if let format { try OutputFile.deliver(format.text(documents), to: file) }
  }
}

/// Results that are read back.
enum ResultInput {
  /// No result of ringbench is so long.
  private static let largest = 256 << 20

  /// The documents in these files, in this order.
  ///
  /// Slices are kept where pictures show them. Of several, what is JSON but no result is left out with a warning: a
  /// folder of results may hold other records.
  static func read(_ paths: [String]) throws(BenchError) -> [NamedResult] {
    var found: [NamedResult] = []
    var refusals: [BenchError] = []
    for path in paths {
      let text = try text(path)
      do throws(BenchError) {
        let document = try ResultDocument.decode(
          text, named: path, keepingSlices: paths.count <= ReportPage.mostDrawn)
        found.append(NamedResult(name: name(path), document: document))
      } catch {
        guard paths.count > 1, isRecord(text) else { throw error }
        refusals.append(error)
      }
    }
    if let first = refusals.first, found.isEmpty { throw first }
    for refusal in refusals { Progress().warn("left out: \(refusal.message)") }
    return found
  }

  private static func text(_ path: String) throws(BenchError) -> String {
    var status = stat()
    let source = path == "-" ? "/dev/stdin" : path
    guard unsafe stat(source, &status) == 0 else { throw .usage("cannot read \(path): \(Errno.text(errno))") }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw .usage("cannot read \(path): it is a directory") }
    guard status.st_size <= largest else { throw .usage("\(path) is longer than any result") }
    guard let text = SystemFile.text(source) else { throw .usage("cannot read \(path): \(Errno.text(errno))") }
    return text
  }

  /// JSON of ringbench's that is no result: what `make gate` keeps.
  private static func isRecord(_ text: String) -> Bool {
    guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else { return false }
    return value["rows"] != nil && value["results"] == nil
  }

  private static func name(_ path: String) -> String {
    guard path != "-" else { return "standard input" }
    let file = path.split(separator: "/").last.map { String($0) } ?? path
    return file.hasSuffix(".json") ? String(file.dropLast(5)) : file
  }
}
#endif
