import BenchDocument
import RingKit

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

/// Tables for a README: paths down, sizes and directions across, time and × direct in a cell.
enum MarkdownExport {
  static func text(_ documents: [ResultDocument]) -> String {
    var parts: [String] = []
    for document in documents {
      // Those of schema 1 are as long as the table.
      if document.schema == ResultDocument.schemaNumber, let answer = document.answer { parts.append(answer + "\n") }
      for placement in PlacementClass.allCases { parts += paths(document, placement) }
      parts += lists(document)
    }
    return parts.joined(separator: "\n")
  }

  private static let classWords: [PlacementClass: String] = [
    .smt: "two threads of one core", .sameL3: "two cores behind one L3", .crossL3: "two cores behind different L3s",
    .crossNode: "two nodes",
  ]

  private static func paths(_ document: ResultDocument, _ placement: PlacementClass) -> [String] {
    let rows = document.results.filter { $0.kind == .path && $0.placement?.class == placement && $0.nsPerBuffer != nil }
    guard !rows.isEmpty else { return [] }
    let trip = Percentile.median(rows.compactMap { $0.placement?.roundTripNs })
    let machine = document.machine
    var heading = "**\(classWords[placement] ?? "")** (class `\(placement.name)`"
    if let trip { heading += ", round trip of a cache line \(short(trip)) ns" }
    heading += "), \(machine.cpuModel)\(machine.underHypervisor ? " under a hypervisor" : ""), Linux \(machine.kernel)"
    if let depth = rows[0].depth, let batch = rows[0].batch { heading += ", \(depth) outstanding, batch \(batch)" }
    heading += document.isDisturbed ? ", disturbed:" : ":"
    var parts = [heading + "\n"]
    for ring in RingLayout.allCases {
      let own = rows.filter { $0.ring == ring }
      if !own.isEmpty { parts.append(table(ring, own)) }
    }
    return parts
  }

  private static func table(_ ring: RingLayout, _ rows: [ResultRow]) -> String {
    var columns: [(bytes: Int, direction: DMADirection)] = []
    for bytes in ascending(rows.compactMap(\.bytes)) {
      for direction in DMADirection.allCases
      where rows.contains(where: { $0.bytes == bytes && $0.direction == direction }) {
        columns.append((bytes, direction))
      }
    }
    var lines = [
      ["\(ring.name), ns a buffer (× direct)"]
        + columns.map { "\(grouped($0.bytes)) B, \($0.direction.name.dropFirst("device-".count))" }
    ]
    lines.append(["---"] + columns.map { _ in "---:" })
    for path in LadderCharts.names(rows) {
      lines.append(
        ["`\(path)`"]
          + columns.map { bytes, direction in
            rows.first { LadderCharts.name($0) == path && $0.bytes == bytes && $0.direction == direction }
              .map(cell) ?? "-"
          })
    }
    return lines.map { "| " + $0.map(escaped).joined(separator: " | ") + " |\n" }.joined()
  }

  private static func cell(_ row: ResultRow) -> String {
    guard let time = row.nsPerBuffer?.median else { return "-" }
    let number = fixed(time, time >= 99.5 ? 0 : 1)
    guard row.path != .direct || row.isolated == true, let ratio = row.ratioToDirect else { return number }
    return "\(number) (\(Ratio.digits(ratio.median)))"
  }

  /// Rows of other kinds, a list for each.
  private static func lists(_ document: ResultDocument) -> [String] {
    ResultRow.Kind.allCases.filter { $0 != .path }.compactMap { kind in
      let rows = document.results.filter { $0.kind == kind }
      guard !rows.isEmpty else { return nil }
      let lines =
        [["\(kind.rawValue)", "figures"], ["---", "---"]]
        + rows.map { [kind == .ring ? LatencyCharts.shortName($0) : $0.name, PageBlocks.figures($0)] }
      return lines.map { "| " + $0.map(escaped).joined(separator: " | ") + " |\n" }.joined()
    }
  }

  /// A bar would end the cell.
  private static func escaped(_ text: String) -> String {
    text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
  }
}
