import BenchTestSupport
import FoundationEssentials
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchReport

@Suite struct CostReportTests {
  private func row(_ path: DMAPath, ratio: Double, placement: PlacementClass = .sameL3, kept: Int = 20) -> CostRow {
    let time = Estimate.exactly(100 * ratio)
    return CostRow(
      ring: .split, path: path, direction: .deviceReadable, bytes: 1_500, depth: 128, batch: 32,
      placement: PlacementFigure(placement, 105), nsPerBuffer: time, buffersPerSecond: time.reciprocal(times: 1e9),
      ratioToDirect: Estimate(median: ratio, low: ratio * 0.98, high: ratio * 1.02), slicesKept: kept,
      slicesDropped: 1, counters: path == .iommuStrict ? ["maps": 1, "unmaps": 1, "invalidations": 1] : [:])
  }

  private func report(_ rows: [CostRow], interrupted: Bool = false) -> CostReport {
    var parameters = CostParameters()
    parameters.rings = [.split]
    return CostReport(
      machine: .fixture, parameters: parameters, rows: rows, slicesDroppedBy: [.stolenTime: 3],
      interrupted: interrupted)
  }

  @Test func theSentenceIsComputed() {
    let answer = report([row(.direct, ratio: 1), row(.iommuStrict, ratio: 2.94), row(.premapped, ratio: 1.02)]).answer
    #expect(
      answer == "On the split ring, 1,500-byte device-readable buffers, class same-l3: "
        + "iommu-strict costs 2.9 times direct and premapped is within 2 % of direct.")
  }

  /// The answer is there whatever was paired with what: with direct, with swiotlb, or with nothing.
  @Test func theForcedIOMMUIsComparedWithBouncingToo() {
    var strict = row(.iommuStrict, ratio: 2.94)
    strict.ratioToSwiotlb = Estimate(median: 1.6, low: 1.5, high: 1.7)
    let place = "On the split ring, 1,500-byte device-readable buffers, class same-l3: "
    let bounced = " The IOMMU against bouncing: iommu-strict costs 1.6 times swiotlb."
    #expect(report([strict]).answer == "\(place)iommu-strict costs 2.9 times direct.\(bounced)")
    strict.ratioToDirect = nil
    let both = report([strict, row(.swiotlb, ratio: 2)])
    #expect(both.answer == "\(place)swiotlb costs 2.0 times direct.\(bounced)")
    #expect(report([strict]).answer == "\(place)iommu-strict costs 294 ns a buffer.\(bounced)")
  }

  @Test func whatHasNothingToShowSaysWhyAndWhatToChange() {
    #expect(report([row(.direct, ratio: 1)]).emptiness == nil)
    #expect(report([]).emptiness?.contains("--slice-ms") == true)
    let late = CostReport(
      machine: .fixture, parameters: CostParameters(), rows: [], slicesDroppedBy: [:], interrupted: false)
    #expect(late.emptiness?.contains("--time-limit") == true)
  }

  @Test func theTableHasARowPerPath() {
    let text = report([row(.direct, ratio: 1), row(.iommuStrict, ratio: 2)]).text(shownClass: nil)
    #expect(text.contains("split, device-readable, 1,500 bytes"))
    #expect(text.contains("iommu-strict"))
    #expect(text.contains("50.0"))
    #expect(text.contains("1 map, 1 unmap, 1 inval"))
    #expect(text.contains("3 with stolen time"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }

  @Test func aRunWithoutASliceSaysSo() {
    #expect(report([]).text(shownClass: nil).contains("no slice was kept"))
    #expect(report([row(.direct, ratio: 1)]).text(shownClass: .smt).contains("class smt"))
  }

  @Test func anInterruptedRunSaysSo() {
    let text = report([row(.direct, ratio: 1)], interrupted: true).text(shownClass: nil)
    #expect(text.contains("Interrupted"))
  }

  @Test func nearlyEqualClassesPreferOneCoreComplex() {
    let near = report([row(.direct, ratio: 1, kept: 19), row(.direct, ratio: 1, placement: .crossL3, kept: 20)])
    #expect(near.mainClass == .sameL3)
    let far = report([row(.direct, ratio: 1, kept: 5), row(.direct, ratio: 1, placement: .crossL3, kept: 20)])
    #expect(far.mainClass == .crossL3)
  }

  @Test func theJSONHasTheDocumentedShape() throws {
    struct Shape: Decodable {
      struct Row: Decodable {
        struct Placement: Decodable {
          let `class`: String
          let roundTripNs: Double
        }
        struct Figure: Decodable {
          let median: Double
          let low: Double
          let high: Double
        }
        let ring: String
        let path: String
        let direction: String
        let bytes: Int
        let depth: Int
        let batch: Int
        let placement: Placement
        let nsPerBuffer: Figure
        let buffersPerSecond: Figure
        let ratioToDirect: Figure?
        let slicesKept: Int
        let slicesDropped: Int
        let counters: [String: Double]
        let injected: Bool
      }
      let schema: Int
      let interrupted: Bool
      let answer: String
      let slicesDroppedBy: [String: Int]
      let results: [Row]
    }
    let text = try JSONText.encode(report([row(.iommuStrict, ratio: 3)]))
    let shape = try JSONDecoder().decode(Shape.self, from: Data(text.utf8))
    #expect(shape.schema == 1)
    #expect(shape.slicesDroppedBy["stolenTime"] == 3)
    let row = try #require(shape.results.first)
    #expect(row.path == "iommu-strict")
    #expect(row.direction == "device-readable")
    #expect(row.placement.class == "same-l3")
    #expect(row.nsPerBuffer.median == 300)
    #expect(row.buffersPerSecond.median == 3_333_000)
    #expect(row.counters["invalidations"] == 1)
    #expect(!row.injected)
  }
}
