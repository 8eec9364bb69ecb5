import BenchHarness
import BenchPaths

extension OutputFormat {
  /// Those results in this format; text and JSON hold one.
  package func text(_ documents: [ResultDocument]) throws(BenchError) -> String {
    switch self {
    case .text, .json:
      guard documents.count == 1, var document = documents.first else {
        throw .usage("\(name) holds one result, not \(documents.count); give them one by one")
      }
      guard self == .json else { return document.text(TextView(isFull: true)) }
      document.schema = ResultDocument.schemaNumber
      return try JSONText.encode(document)
    case .csv: return CSVExport.text(documents)
    case .markdown: return MarkdownExport.text(documents)
    case .openmetrics: return OpenMetricsExport.text(documents)
    case .githubActionBenchmark: return try JSONText.encode(DashboardExport.entries(documents))
    case .bmf: return try JSONText.encode(DashboardExport.benchmarks(documents))
    case .ndjson: return try NDJSONExport.text(documents)
    }
  }
}

/// What dashboards of continuous integration read: a name, a value, and how far it may be off.
enum DashboardExport {
  /// An entry of github-action-benchmark's custom JSON; a smaller value is a better one.
  struct Entry: Encodable {
    let name: String
    let unit: String
    let value: Double
    let range: String
    let extra: String
  }

  static func entries(_ documents: [ResultDocument]) -> [Entry] {
    var entries: [Entry] = []
    for document in documents {
      for row in document.results {
        for (measure, estimate) in measures(row) {
          let value = Rounded.value(estimate.median)
          entries.append(
            Entry(
              name: "\(row.kind.rawValue): \(row.name), \(measure.words)", unit: measure.unit, value: value,
              range: "± \(short(max(estimate.high - estimate.median, estimate.median - estimate.low)))",
              extra: "\(document.machine.cpuModel), Linux \(document.machine.kernel), commit \(document.run.commit)"))
        }
      }
    }
    return entries
  }

  /// A measure of the Bencher Metric Format.
  struct Metric: Encodable {
    let value: Double
    let lowerValue: Double
    let upperValue: Double

    private enum CodingKeys: String, CodingKey {
      case value
      case lowerValue = "lower_value"
      case upperValue = "upper_value"
    }
  }

  /// Of several results with the same rows the last counts: the format has one value for each name.
  static func benchmarks(_ documents: [ResultDocument]) -> [String: [String: Metric]] {
    var benchmarks: [String: [String: Metric]] = [:]
    for row in documents.flatMap(\.results) {
      for (measure, estimate) in measures(row) {
        benchmarks["\(row.kind.rawValue): \(row.name)", default: [:]][measure.slug] = Metric(
          value: Rounded.value(estimate.median), lowerValue: Rounded.value(estimate.low),
          upperValue: Rounded.value(estimate.high))
      }
    }
    return benchmarks
  }

  /// What is measured, as a title, a unit, and a word without blanks.
  typealias Measure = (words: String, unit: String, slug: String)

  private static func measures(_ row: ResultRow) -> [(Measure, Estimate)] {
    var found: [(Measure, Estimate)] = []
    if let time = row.nsPerBuffer { found.append((("time a buffer", "ns", "latency"), time)) }
    // Direct by direct is 1 by definition.
    if let ratio = row.ratioToDirect, row.path != .direct {
      found.append((("by direct", "times", "ratio-to-direct"), ratio))
    }
    if let ratio = row.ratioToFloor { found.append((("by the floor", "times", "ratio-to-floor"), ratio)) }
    if let latency = row.latency {
      found.append((("p99 of a round trip", "ns", "round-trip-p99"), .exactly(latency.p99)))
    }
    return found.filter { $0.1.median.isFinite && $0.1.low.isFinite && $0.1.high.isFinite }
  }
}
