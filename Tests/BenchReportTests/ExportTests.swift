import BenchTestSupport
import FoundationEssentials
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// Results in the words of other programs, read by those programs where this machine has them.
@Suite struct ExportTests {
  private static func document() -> ResultDocument {
    var document = ReportPageTests.document(host: "a \"host\", with\\commas")
    var ring = ResultRow(.ring)
    (ring.ring, ring.batch, ring.depth) = (.packed, 1, 1)
    ring.labels = ["inOrder": "true", "queueSize": "256"]
    ring.placement = PlacementFigure(.sameL3, 100)
    ring.nsPerBuffer = Estimate(median: 105, low: 104, high: 106)
    ring.note = "a | bar"
    document.results.append(ring)
    return document
  }

  private func text(_ format: OutputFormat) throws -> String { try format.text([Self.document()]) }

  private func python(_ format: OutputFormat, _ program: String) throws -> String {
    let (code, output) = Consumer.python(program, on: try text(format))
    #expect(code == 0, "\(output)")
    return output
  }

  @Test(.enabled(if: Consumer.hasModule("csv"), "there is no Python"))
  func pythonReadsTheValues() throws {
    let said = try python(
      .csv,
      """
      import csv, sys
      rows = list(csv.DictReader(open(sys.argv[1], newline="")))
      row = [r for r in rows if r["path"] == "iommu-strict" and r["class"] == "same-l3" and r["ring"] == "split"]
      ring = [r for r in rows if r["kind"] == "ring"]
      print(len(rows), row[0]["nsPerBuffer"], row[0]["ratioToDirectHigh"], row[0]["count maps"], row[0]["host"])
      print(ring[0]["label queueSize"], ring[0]["path"] == "", None in rows[0])
      """)
    #expect(said == "45 80 1.616 1 a \"host\", with\\commas\n256 True False")
  }

  @Test(.enabled(if: Consumer.hasModule("prometheus_client"), "prometheus_client is not installed"))
  func prometheusReadsTheMetrics() throws {
    let said = try python(
      .openmetrics,
      """
      import sys
      from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
      families = {f.name: f for f in parse(open(sys.argv[1]).read())}
      print(sorted(families))
      want = {"path": "iommu-strict", "class": "same-l3", "ring": "split", "estimate": "median"}
      found = [s.value for s in families["ringbench_by_direct_ratio"].samples if want.items() <= s.labels.items()]
      print(found, families["ringbench_run"].samples[0].labels["host"])
      """)
    #expect(said.contains("'ringbench_buffer_time_seconds'") && said.contains("'ringbench_work_per_buffer'"))
    #expect(said.hasSuffix("[1.6] a \"host\", with\\commas"))
  }

  /// The query of bench-results/README.md gives the report's table: × direct, a column for each host.
  @Test(.enabled(if: Consumer.hasModule("duckdb"), "duckdb is not installed"))
  func theDocumentedQueryPutsHostsSideBySide() throws {
    let readme = try #require(SystemFile.text("\(Consumer.root)/bench-results/README.md"))
    let start = try #require(readme.firstRange(of: "```sql\n"))
    let end = try #require(readme[start.upperBound...].firstRange(of: "```"))
    let query = readme[start.upperBound..<end.lowerBound].replacing("results/*.ndjson", with: "FILE")
    let documents = [ReportPageTests.document(host: "one"), ReportPageTests.document(host: "two", factor: 2)]
    let program = """
      import duckdb, os, sys
      result = duckdb.sql(os.environ["Q"].replace("FILE", sys.argv[1]))
      print(result.columns)
      print([r for r in result.fetchall() if r[:5] == ("split", "device-readable", 1500, "iommu-strict", "same-l3")])
      """
    let line = "Q=\"$(cat <<'END'\n\(query)\nEND\n)\" \(Consumer.python) -c '\(program)' \"$F\""
    let (code, output) = Consumer.run(line, on: try OutputFormat.ndjson.text(documents), ending: "ndjson")
    #expect(code == 0, "\(output)")
    #expect(output.contains("'one', 'two'") && output.contains("1.6, 3.2)"), "\(output)")
  }

  /// As `customSmallerIsBetter` of benchmark-action/github-action-benchmark wants it: a list of entries, names unlike
  /// each other, values that are numbers.
  @Test func theActionsListHasItsShape() throws {
    struct Entry: Decodable {
      let name: String
      let unit: String
      let value: Double
      let range: String?
      let extra: String?
    }
    let entries = try JSONDecoder().decode([Entry].self, from: Data(try text(.githubActionBenchmark).utf8))
    #expect(Set(entries.map(\.name)).count == entries.count && entries.count == 45 + 40)
    let name = "path: split, iommu-strict, device-readable, 1,500 bytes, same-l3, by direct"
    let entry = try #require(entries.first { $0.name == name })
    #expect(entry.value == 1.6 && entry.unit == "times" && entry.range == "± 0.02")
  }

  /// The Bencher Metric Format: names, measures by slug, values with their bounds.
  @Test func bencherReadsBounds() throws {
    struct Metric: Decodable {
      let value: Double
      let lower: Double?
      let upper: Double?

      private enum CodingKeys: String, CodingKey {
        case value
        case lower = "lower_value"
        case upper = "upper_value"
      }
    }
    let metrics = try JSONDecoder().decode([String: [String: Metric]].self, from: Data(try text(.bmf).utf8))
    let found = try #require(metrics["path: split, iommu-strict, device-readable, 1,500 bytes, same-l3"])
    #expect(found["latency"]?.value == 80 && found["latency"]?.lower == 78.4)
    #expect(found["ratio-to-direct"]?.upper == 1.616)
    #expect(
      metrics.values.allSatisfy { $0.keys.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "-" || $0.isNumber } } })
  }

  @Test func markdownHasPathsDownAndSizesAcross() throws {
    let lines = try text(.markdown).split(separator: "\n")
    #expect(lines.contains("| split, ns a buffer (× direct) | 1,500 B, readable |"))
    #expect(lines.contains("| `iommu-strict` | 80.0 (1.60) |") && lines.contains("| `direct` | 50.0 |"))
    // A bar in a cell does not end it; every line of a table has as many cells as its head.
    #expect(lines.contains { $0.contains("a \\| bar") })
    for line in lines where line.hasPrefix("|") {
      #expect(line.replacing("\\|", with: "").filter { $0 == "|" }.count == 3, "\(line)")
    }
  }

  @Test func percentilesGoToAFileForEachRow() throws {
    var document = Self.document()
    var row = try #require(document.results.last)
    row.latency = Latency(
      count: 3, p50: 100, p90: 100, p99: 100, p999: 100, max: 100,
      histogram: HistogramBuckets([(100, 3)]).compressed)
    document.results = [row]
    #expect(PercentileExport.files([document], at: "a.b/x.hgrm").map(\.path) == ["a.b/x.hgrm"])
    document.results.append(row)
    let files = PercentileExport.files([document], at: "a.b/x")
    let slug = "packed-in-order-batch-1-1-out-same-l3"
    #expect(files.map(\.path) == ["a.b/x-\(slug)", "a.b/x-\(slug)-2"])
    #expect(files[0].text.contains("1.000000000000          3\n"))
    #expect(PercentileExport.files([Self.document()], at: "x").isEmpty)
  }

  /// Python's HdrHistogram sees what was recorded.
  @Test(.enabled(if: Consumer.hasModule("hdrh"), "hdrhistogram is not installed"))
  func hdrHistogramReadsTheHistogram() throws {
    let compressed = HistogramBuckets((1...10_000).map { (value: Double($0 * 7), count: 1) }).compressed
    let program = """
      import sys
      from hdrh.histogram import HdrHistogram
      h = HdrHistogram.decode(open(sys.argv[1]).read())
      print(h.get_total_count(), h.get_value_at_percentile(50), h.get_value_at_percentile(99.9), h.get_max_value())
      """
    let (code, output) = Consumer.python(program, on: compressed)
    #expect(code == 0 && output == "10000 35007 69951 70015", "\(output)")
  }

  @Test func whatIsNoNumberIsLeftOut() throws {
    var document = Self.document()
    document.results[0].nsPerBuffer = Estimate(median: .nan, low: .infinity, high: -.infinity)
    document.results[0].ratioToDirect = Estimate(median: .infinity, low: .nan, high: 1)
    for format in OutputFormat.allCases where format != .text && format != .json {
      let text = try format.text([document])
      for word in ["nan", "inf,", "inf}", "inf\n", "infinity"] {
        #expect(!text.lowercased().contains(word), "\(format)")
      }
    }
  }
}
