import BenchDocument

/// How a report is written: for people, as it is read back, or in the words of other programs.
package enum OutputFormat: String, CaseIterable, Sendable, NamedChoice {
  case text
  case json
  /// One line a row, for spreadsheets.
  case csv
  /// Tables, for a README or an issue.
  case markdown
  /// What Prometheus and its like read.
  case openmetrics
  /// What the GitHub action `benchmark-action/github-action-benchmark` reads as `customSmallerIsBetter`.
  case githubActionBenchmark = "github-action-benchmark"
  /// The Bencher Metric Format.
  case bmf
  /// One JSON object a row, for databases.
  case ndjson

  package static let noun = "format"
}

extension OutputFormat {
  /// The format of what is no result of a measurement: text or JSON.
  package static func parse(ofReport name: String) throws(BenchError) -> OutputFormat {
    let format = try parse(name)
    guard format == .text || format == .json else {
      throw .usage("--format is text or json here, not \(format.name): this is no result of a measurement")
    }
    return format
  }
}

/// A format, and a file or standard output.
package struct ReportDestination: Sendable {
  private let format: OutputFormat
  private let file: OutputFile?
  /// Gets the text as well.
  private let textFile: OutputFile?
  /// Gets the percentiles of round trips.
  package let percentilePath: String?
  /// Whether the host's name is left out.
  package let isAnonymous: Bool
  /// Whether nothing but the report, or why there is none, is written.
  package let isQuiet: Bool

  package init(
    format: OutputFormat, file: OutputFile?, textFile: OutputFile?, percentilePath: String? = nil,
    isAnonymous: Bool = false, isQuiet: Bool = false
  ) {
    (self.format, self.file, self.textFile) = (format, file, textFile)
    (self.percentilePath, self.isAnonymous, self.isQuiet) = (percentilePath, isAnonymous, isQuiet)
  }

  /// Whether the text goes to standard output.
  package var isTextOnOutput: Bool { format == .text && file == nil }

  /// Writes the report in the format asked for, and the text beside it where that was asked for too.
  ///
  /// `text` is told how wide it may be: as the terminal it goes to, elsewhere ``TextWidth/standard``.
  package func write(_ report: some Encodable, text: (_ width: Int) -> String) throws(BenchError) {
    func fitting(_ width: Int) -> String { TextWidth.fit(text(width), width) }
    try textFile?.write(fitting(TextWidth.standard))
    let width = file == nil ? TextWidth.ofStandardOutput() : TextWidth.standard
    // What is no document has these two formats, and its command takes no other.
    switch (format, report as? ResultDocument) {
    case (.text, _): try OutputFile.deliver(fitting(width), to: file)
    case (.json, _), (_, nil): try OutputFile.deliver(JSONText.encode(report), to: file)
    case (_, let document?): try OutputFile.deliver(format.text([document]), to: file)
    }
  }
}
