import BenchTestSupport
import FoundationEssentials
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchReport

@Suite struct ShapesReportTests {
  private func report() -> ShapesReport {
    var agreeing = ShapeResult(.invalidations, published: [.flushQueue, .vIOMMU])
    agreeing.count("invalidations per unmap, iommu-lazy", unit: "", predicted: 1.0 / 255, measured: 1.0 / 255)
    agreeing.add("strict minus lazy", unit: "ns", predicted: 100, measured: Estimate(median: 110, low: 105, high: 120))
    agreeing.conditions.placement = .sameL3
    agreeing.conditions.roundTrip = 101
    agreeing.conclude(agreeing.countsAreExact, "counted")
    var reach = ShapeResult(.reach, published: [.neugebauer])
    reach.count("misses", unit: "", predicted: 1, measured: 0)
    reach.conclude(reach.countsAreExact, "the counts are wrong")
    var missing = ShapeResult(.backend, published: [.asterinas])
    missing.concludeUnmeasured()
    return ShapesReport(
      machine: .fixture, parameters: ShapeParameters(), shapes: [agreeing, reach, missing], interrupted: false)
  }

  @Test func theJSONHasTheDocumentedShape() throws {
    struct Shape: Decodable {
      struct Figure: Decodable {
        let name: String, unit: String, value: Double, low: Double?, high: Double?, exact: Bool
      }
      struct Published: Decodable { let source: String, setup: String, figure: String, grade: String }
      struct Placement: Decodable { let `class`: String, roundTripNs: Double }
      struct One: Decodable {
        let shape: String, title: String, expectation: String, predicted: [Figure], measured: [Figure]
        let published: [Published], verdict: String, why: String, injected: Bool, placement: Placement?
      }
      let shapes: [One], interrupted: Bool
    }
    let shape = try JSONDecoder().decode(Shape.self, from: Data(try JSONText.encode(report()).utf8))
    #expect(shape.shapes.map(\.shape) == ["C", "H", "I"])
    #expect(shape.shapes.map(\.verdict) == ["agrees", "differs", "cannot be shown here"])
    let first = try #require(shape.shapes.first)
    #expect(first.measured.first?.exact == true)
    #expect(first.measured.first?.value == first.predicted.first?.value)
    #expect(first.measured.last?.low == 105)
    #expect(first.published.map(\.grade) == ["constant", "S"])
    #expect(first.placement?.class == "same-l3")
    #expect(shape.shapes.last?.placement == nil)
    #expect(shape.shapes.allSatisfy { !$0.injected })
  }

  @Test func theTextSaysWhatIsFromMemory() {
    let text = report().text()
    #expect(text.contains("from memory, not checked"))
    #expect(text.contains("agrees: counted"))
    #expect(text.contains("cannot be shown here: no slice was measured in time"))
    #expect(text.contains("0.003922"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }
}
