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

@Suite struct CostReportTests {
  private func row(_ path: DMAPath, ratio: Double, placement: PlacementClass = .sameL3, kept: Int = 20) -> ResultRow {
    var row = ResultRow(.path)
    let time = Estimate.exactly(100 * ratio)
    (row.ring, row.path, row.direction, row.bytes) = (.split, path, .deviceReadable, 1_500)
    (row.depth, row.batch, row.placement) = (128, 32, PlacementFigure(placement, 105))
    (row.nsPerBuffer, row.buffersPerSecond) = (time, time.reciprocal(times: 1e9))
    row.ratioToDirect = Estimate(median: ratio, low: ratio * 0.98, high: ratio * 1.02)
    (row.slicesKept, row.slicesDropped, row.injected, row.isolated) = (kept, 1, false, false)
    row.counters = path == .iommuStrict ? ["maps": 1, "unmaps": 1, "invalidations": 1] : [:]
    return row
  }

  private func document(_ rows: [ResultRow], interrupted: Bool = false) throws -> ResultDocument {
    var parameters = CostParameters()
    parameters.rings = [.split]
    return try CostReport(
      machine: .fixture, parameters: parameters, rows: rows, slicesDroppedBy: [.stolenTime: 3],
      interrupted: interrupted
    ).document(.fixture())
  }

  private func words(_ text: String) -> Int { text.split(separator: " ").count }

  /// The answer compares the forced IOMMU with direct and with bouncing, whatever of them was measured.
  @Test func theAnswerIsOneShortSentenceThatIsComputed() throws {
    var strict = row(.iommuStrict, ratio: 2.94)
    #expect(
      try document([row(.direct, ratio: 1), strict]).answer
        == "A forced IOMMU costs 2.9 times direct; swiotlb was not measured beside it.")
    strict.ratioToSwiotlb = Estimate(median: 1.6, low: 1.5, high: 1.7)
    var other = strict
    (other.bytes, other.ratioToDirect) = (4_096, .exactly(2.1))
    let all = try document([strict, other, row(.iommuLazy, ratio: 1.2), row(.swiotlb, ratio: 2)])
    #expect(
      all.answer == "A forced IOMMU costs 2.1 to 2.9 times direct (lazy: 1.2) and 1.6 times swiotlb.")
    #expect(try document([row(.premapped, ratio: 1.02)]).answer == "premapped costs 1.0 times direct.")
    strict.ratioToDirect = nil
    #expect(
      try document([strict]).answer == "A buffer takes 294 ns; nothing was compared with direct.")
    for path in DMAPath.allCases { #expect(words(try document([row(path, ratio: 400)]).answer ?? "") <= 30) }
  }

  /// The last thing printed is the answer, with a table of at most twelve cells.
  @Test func theAnswerIsPrintedLast() throws {
    let paths: [DMAPath] = [.direct, .iommuStrict, .iommuLazy, .viommu, .swiotlb, .shadow]
    var rows = paths.map { row($0, ratio: 2) }
    for index in rows.indices {
      var other = rows[index]
      other.ring = .packed
      rows.append(other)
    }
    let text = try document(rows).text()
    let answer = try #require(try document(rows).answer)
    let end = text.components(after: answer)
    let cells = end.split(separator: "\n").map { $0.split(separator: "  ", omittingEmptySubsequences: true) }
    #expect(cells.reduce(0) { $0 + $1.count } == 12, "\(end)")
    #expect(
      cells.map { $0.first.map { String($0.drop { $0 == " " }) } } == [
        "× direct", "iommu-strict", "iommu-lazy", "swiotlb",
      ])
  }

  @Test func whatHasNothingToShowSaysWhyAndWhatToChange() {
    func report(_ rows: [ResultRow], dropped: [DropReason: Int]) -> CostReport {
      CostReport(
        machine: .fixture, parameters: CostParameters(), rows: rows, slicesDroppedBy: dropped, interrupted: false)
    }
    #expect(report([row(.direct, ratio: 1)], dropped: [:]).emptiness == nil)
    #expect(report([], dropped: [.stolenTime: 3]).emptiness?.contains("--slice-ms") == true)
    #expect(report([], dropped: [:]).emptiness?.contains("--time-limit") == true)
  }

  @Test func theFullTextHasATableWithARowPerPath() throws {
    let rows = [row(.direct, ratio: 1), row(.iommuStrict, ratio: 2)]
    let text = try document(rows).text(TextView(isFull: true))
    #expect(text.contains("split, device-readable, 1,500 bytes"))
    #expect(text.contains("2.00 (1.96-2.04)"))
    #expect(text.contains("iommu-strict: 1 map, 1 unmap, 1 inval"))
    #expect(text.contains("3 with stolen time"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
    #expect(try !document(rows).text().contains("1,500 bytes"))
  }

  /// Times over all slices, and the ratio over rounds, need not agree; where they do not, the text says why.
  @Test func aRatioThatTheMediansDoNotShowIsExplained() throws {
    var strict = row(.iommuStrict, ratio: 2)
    strict.nsPerBuffer = .exactly(250)
    let text = try document([row(.direct, ratio: 1), strict]).text(TextView(isFull: true))
    #expect(text.contains("2.00 (1.96-2.04) *") && text.contains("* The two medians"))
    #expect(try !document([row(.direct, ratio: 1)]).text(TextView(isFull: true)).contains(" *"))
  }

  @Test func aRunWithoutASliceSaysSo() throws {
    #expect(try document([]).text().contains("no slice was kept"))
    #expect(try document([row(.direct, ratio: 1)]).text(TextView(shownClass: .smt)).contains("class smt"))
  }

  @Test func anInterruptedRunSaysSo() throws {
    let document = try document([row(.direct, ratio: 1)], interrupted: true)
    #expect(document.has(.interrupted) && document.text().contains("interrupted"))
  }

  @Test func nearlyEqualClassesPreferOneCoreComplex() throws {
    let near = try document([row(.direct, ratio: 1, kept: 19), row(.direct, ratio: 1, placement: .crossL3, kept: 20)])
    #expect(near.mainClass == .sameL3)
    let far = try document([row(.direct, ratio: 1, kept: 5), row(.direct, ratio: 1, placement: .crossL3, kept: 20)])
    #expect(far.mainClass == .crossL3)
  }

  /// Two placements under one name: the times of the class are of both.
  @Test func aClassOfTwoRoundTripsIsReportedAsMixed() throws {
    func warnings(_ trips: (Int) -> Double) throws -> [String] {
      var row = row(.direct, ratio: 1)
      row.slices = (0..<40).map { SliceSample(round: $0, nsPerBuffer: 100, roundTripNs: trips($0)) }
      return try document([row]).warnings.filter { $0.kind == .mixed }.map(\.text)
    }
    let mixed = try warnings { $0.isMultiple(of: 2) ? 76 + Double($0 % 5) / 5 : 112 - Double($0 % 5) / 5 }
    #expect(mixed.count == 1 && mixed[0].contains("same-l3") && mixed[0].contains("76.4") && mixed[0].contains("112"))
    // One placement in all its moods, and a few strays.
    #expect(try warnings { 90 + Double($0) * 0.8 }.isEmpty)
    #expect(try warnings { $0 < 3 ? 150 : 90 + Double($0 % 7) }.isEmpty)
  }
}

extension String {
  /// What follows the last line that ends with the same words.
  fileprivate func components(after sentence: String) -> String {
    let words = sentence.split(separator: " ").suffix(2).joined(separator: " ")
    guard let range = ranges(of: words).last else { return "" }
    return String(self[range.upperBound...])
  }
}
