import BenchTestSupport
import FoundationEssentials
import Glibc
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// The page that people pass on.
@Suite struct ReportPageTests {
  /// All committed results.
  static let committed: [NamedResult] = {
    let folder = "\(Consumer.root)/bench-results"
    return SystemFile.names(in: folder).compactMap { name in
      guard name.hasSuffix(".json"), let text = SystemFile.text("\(folder)/\(name)"),
        let document = try? ResultDocument.decode(text, named: name)
      else { return nil }
      return NamedResult(name: String(name.dropLast(5)), document: document)
    }
  }()

  /// A run with every path, two classes, and slices of every fate; `factor` is what iommu-strict costs more.
  static func document(host: String = "host", factor: Double = 1) -> ResultDocument {
    var document = ResultDocument(
      run: RunRecord(
        startedAt: "2026-11-29T05:12:00Z", durationSeconds: 50, host: host, subcommand: "cost",
        command: "ringbench cost", commit: "0123456789abcdef", version: "0.1.0", toolchain: "Swift 6.3"),
      machine: .fixture)
    document.parameters = ["driverCPU": .integer(0), "deviceCPU": .integer(1)]
    document.answer = "The forced IOMMU costs 2.9 times direct."
    for ring in RingLayout.allCases {
      for (number, path) in DMAPath.allCases.enumerated() {
        for placement in [PlacementClass.sameL3, .crossL3] {
          let ratio = (1 + Double(number) * 0.3) * (path == .iommuStrict ? factor : 1)
          var row = ResultRow(.path)
          (row.ring, row.path, row.direction, row.bytes) = (ring, path, .deviceReadable, 1_500)
          (row.depth, row.batch) = (128, 32)
          row.placement = PlacementFigure(placement, placement == .sameL3 ? 100 : 400)
          row.nsPerBuffer = Estimate(median: 50 * ratio, low: 49 * ratio, high: 51 * ratio)
          row.ratioToDirect =
            path == .direct ? .exactly(1) : Estimate(median: ratio, low: ratio * 0.99, high: ratio * 1.01)
          (row.slicesKept, row.slicesDropped) = (20, 5)
          row.counters = path == .iommuStrict ? ["maps": 1, "unmaps": 1, "invalidations": 1] : [:]
          row.slices =
            (0..<20).map { SliceSample(round: $0, nsPerBuffer: 50 * ratio + Double($0 % 3), roundTripNs: 100) }
            + DropReason.allCases.enumerated().map {
              SliceSample(round: 20 + $0, nsPerBuffer: 60 * ratio, roundTripNs: nil, dropped: $1)
            }
          document.results.append(row)
        }
      }
    }
    return document
  }

  private func page(_ documents: [ResultDocument]) -> ReportPage {
    ReportPage(documents.enumerated().map { NamedResult(name: "run-\($0)", document: $1) })
  }

  private func expectSelfContained(_ html: String) {
    #expect(!html.contains("<script") && !html.contains("<link") && !html.contains("@import") && !html.contains("url("))
    #expect(!html.contains("src=") && !html.contains("<iframe"))
    // A name space is no address that anything is fetched from.
    var rest = html[...]
    while let found = rest.firstRange(of: "http") {
      #expect(rest[..<found.lowerBound].hasSuffix("xmlns=\""))
      rest = rest[found.upperBound...]
    }
  }

  @Test func theCommittedResultsMakeOnePageOfLimitedSize() throws {
    try #require(Self.committed.count >= 4)
    let html = ReportPage(Self.committed).html
    #expect(html.utf8.count < 500_000, "\(html.utf8.count)")
    expectSelfContained(html)
    for result in Self.committed { #expect(html.contains(result.name)) }
  }

  /// Each with more than a usual run has: what does not fit is left out, and said to be.
  @Test func eightLargeResultsFitToo() {
    var large = Self.document()
    for bytes in [64, 512, 4_096] {
      large.results += Self.document().results.map { row in
        var row = row
        row.bytes = bytes
        row.slices = row.slices.map { slices in (0..<4).flatMap { _ in slices } }
        return row
      }
    }
    let html = page((0..<8).map { _ in large }).html
    #expect(html.utf8.count < 500_000, "\(html.utf8.count)")
    #expect(html.contains("What each path costs") && html.contains("panels; the file has the others"))
  }

  @Test func twoHundredResultsStandSideBySideInLimitedSize() {
    let html = page((0..<200).map { Self.document(host: "host-\($0)", factor: 1 + Double($0) / 1000) }).html
    #expect(html.utf8.count < 2_000_000, "\(html.utf8.count)")
    expectSelfContained(html)
    #expect(html.contains(">host-0</th>") && html.contains(">host-199</th>"))
  }

  @Test func oneResultHasEverySection() {
    let html = page([Self.document()]).html
    for title in [
      "The answer", "Machine and run", "What each path costs", "Slices", "Work per buffer", "Placement and topology",
      "Parameters", "Glossary",
    ] { #expect(html.contains("<h2>\(title)</h2>"), "\(title)") }
    #expect(!html.contains("<h2>Side by side</h2>"))
    expectSelfContained(html)
  }

  @Test func twoResultsAreComparedInWords() {
    let html = page([Self.document(), Self.document(factor: 1.2)]).html
    #expect(html.contains("<h2>Side by side</h2>"))
    #expect(
      html.contains("Of 44 rows that both have, 4 slower (split, iommu-strict, device-readable, 1,500 bytes, same-l3;"))
    var other = Self.document()
    other.parameters["depth"] = .integer(1)
    var first = Self.document()
    first.parameters["depth"] = .integer(128)
    #expect(page([first, other]).html.contains("run-0 and run-1 cannot be compared: depth 128 and 1."))
  }

  /// A host may be called anything.
  @Test func wordsOfOthersAreNoMarkup() {
    var document = Self.document(host: "<script>alert(1)</script>\"'&\u{1}")
    document.parameters["x"] = .string("<img src=x>")
    let html = page([document]).html
    #expect(!html.contains("<script>") && !html.contains("<img"))
    #expect(html.contains("&lt;script&gt;"))
  }

  @Test func everyPictureTellsWhatItShows() {
    let pictures = page([Self.document(), Self.document(factor: 1.2)]).pictures
    #expect(pictures.count > 6)
    #expect(Set(pictures.map(\.name)).count == pictures.count)
    for picture in pictures {
      #expect(picture.svg.contains("<title id=\"pt\">") && picture.svg.contains("<desc id=\"pd\">"))
    }
  }

  @Test func aDroppedSliceIsHollowByItsReason() throws {
    let charts = SliceCharts.charts(Self.document().results, name: "x", atMost: 1)
    let svg = try #require(charts.first?.standalone)
    #expect(svg.contains("class=\"h6\"") && svg.contains("class=\"d6\""))
    for reason in DropReason.allCases { #expect(svg.contains("dropped: \(reason.words)")) }
  }

  @Test func nothingIsDrawnOfNothing() {
    var document = Self.document()
    document.results = []
    let html = page([document]).html
    #expect(!html.contains("<svg") || html.contains("topology"))
    #expect(LadderCharts.charts([], name: "x").isEmpty && LatencyCharts.charts([], name: "x").isEmpty)
  }

  @Test(.enabled(if: Consumer.succeeds("command -v xmllint"), "there is no xmllint"))
  func thePageIsWellFormedAsXMLAndAsHTML() {
    for documents in [[Self.document()], [Self.document(), Self.document(factor: 1.2)]] {
      let page = page(documents)
      let strict = Consumer.run("xmllint --noout \"$F\"", on: page.html, ending: "html")
      #expect(strict.code == 0 && strict.output.isEmpty, "\(strict.output)")
      // Its older versions know the elements of HTML 4 alone, and say so of each other one.
      let lenient = Consumer.run(
        "xmllint --html --noout \"$F\" 2>&1 | grep ' error :' | grep -v 'Tag [a-z]* invalid$'", on: page.html,
        ending: "html")
      #expect(lenient.output.isEmpty, "\(lenient.output)")
      for picture in page.pictures {
        let svg = Consumer.run("xmllint --noout \"$F\"", on: picture.svg, ending: "svg")
        #expect(svg.code == 0 && svg.output.isEmpty, "\(picture.name): \(svg.output)")
      }
    }
  }

  /// Nothing is wider than a telephone, except what scrolls by itself.
  @Test(.enabled(if: Consumer.succeeds("command -v chromium"), "there is no chromium"), arguments: [1, 2, 9])
  func aTelephoneNeedsNoHorizontalScrolling(results: Int) throws {
    let host = String(repeating: "long", count: 30)
    let html = page((0..<results).map { Self.document(host: "\(host)\($0)", factor: 1 + Double($0) / 10) }).html
    // The page itself has no script; this copy of it tells its widths to the frame around it.
    let probe = "<script>parent.postMessage('widths '+document.documentElement.scrollWidth+' '+innerWidth,'*')</script>"
    let frame =
      "<!DOCTYPE html><html><head><title>x</title></head><body><script>onmessage=e=>document.title=e.data"
      + "</script><iframe src=in.html width=400 height=800 style=border:0></iframe></body></html>"
    let found = Consumer.run(
      "printf '%s' '\(frame)' >\"$D/frame.html\"; timeout 100 chromium --headless --no-sandbox --disable-gpu"
        + " --disable-dev-shm-usage --user-data-dir=\"$D/profile\" --window-size=600,900 --virtual-time-budget=3000"
        + " --dump-dom \"file://$D/frame.html\" 2>/dev/null | grep -o 'widths [0-9]* [0-9]*'; rm -rf \"$D/profile\"",
      on: html.replacing("</body>", with: probe + "</body>"), ending: "html")
    let widths = found.output.split(separator: " ").compactMap { Int($0) }
    try #require(widths.count == 2, "\(found.output)")
    #expect(widths[1] == 400 && widths[0] <= widths[1])
  }
}
