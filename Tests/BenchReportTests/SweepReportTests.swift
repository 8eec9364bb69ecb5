import BenchTestSupport
import FoundationEssentials
import RingIOMMU
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

@Suite struct SweepReportTests {
  /// A run of made-up slices: at each size strict costs 300 ns, swiotlb a tenth of a nanosecond a byte.
  private func report() throws -> SweepReport {
    var parameters = CostParameters()
    parameters.rings = [.split]
    parameters.paths = [.direct, .iommuStrict, .swiotlb]
    parameters.sizes = [1_024, 2_048, 4_096, 8_192, 524_288]
    parameters.directions = [.deviceReadable]
    var keys: [CostKey] = []
    var records: [SliceRecord] = []
    for bytes in parameters.sizes.dropLast() {
      for path in parameters.measuredPaths {
        let time = path == .direct ? 10 : path == .swiotlb ? 0.1 * Double(bytes) : 300
        for round in 0..<10 {
          records.append(
            SliceRecord(
              benchCase: keys.count, round: round, nanosecondsPerBuffer: time,
              conditions: SliceConditions(roundTripBefore: 105, roundTripAfter: 105)))
        }
        keys.append(CostKey(ring: .split, path: path, direction: .deviceReadable, bytes: bytes))
      }
    }
    var run = SliceRun()
    run.records = records
    let refused = CostKey(ring: .split, path: .swiotlb, direction: .deviceReadable, bytes: 524_288)
    return SweepReport(
      machine: .fixture, parameters: parameters, keys: keys, primitives: [],
      refused: [(refused, DMAError.tooLarge(byteCount: 524_288, maximum: 262_144).description)],
      run: PairedRun(
        run, cases: keys.count, slices: parameters.slices,
        classifier: Machine.fixture.classifier(
          parameters.driverCPU, parameters.deviceCPU, roundTrips: run.roundTrips), seed: parameters.seed),
      hybridCalibration: HybridOutcome())
  }

  @Test func theDocumentHasRowsRefusalsAndCrossovers() throws {
    let document = try report().document(.fixture(of: "sweep"))
    let row = try #require(document.results.first { $0.path == .swiotlb && $0.bytes == 2_048 })
    #expect(row.kind == .path && row.nsPerBuffer?.median == 204.8)
    #expect(row.slices?.count == 10 && row.slicesKept == 10 && row.slicesDropped == 0)
    let refused = try #require(document.results.first { $0.bytes == 524_288 })
    #expect(refused.kind == .refused && refused.nsPerBuffer == nil)
    #expect(refused.note == "a mapping of 524288 bytes is larger than this path's 262144")
    let pair = try #require(document.crossovers?.first { $0.paths == [.iommuStrict, .swiotlb] })
    let found = try #require(pair.meetings.first)
    #expect(found.cheaperBelow == .swiotlb && found.cheaperAbove == .iommuStrict)
    #expect(found.between == [2_048, 4_096])
    #expect(abs(found.bytes.median - 3_000) < 5)
    let none = try #require(document.crossovers?.first { $0.paths == [.direct, .iommuStrict] })
    #expect(none.meetings.isEmpty && none.cheaperThroughout == .direct)
  }

  @Test func theTextHasTheCrossoverAndTheRefusal() throws {
    let text = try report().document(.fixture(of: "sweep")).text()
    #expect(text.contains("3,000"))
    #expect(text.contains("  swiotlb        iommu-strict"))
    #expect(text.contains("swiotlb, 524,288 bytes: a mapping of 524288 bytes"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }

  @Test func primitivesPredictByDirection() throws {
    let times: [(PrimitiveKey, Estimate)] = [
      (PrimitiveKey(kind: .mapping(.iommuStrict), bytes: 64), .exactly(300)),
      (PrimitiveKey(kind: .mapping(.swiotlb), bytes: 64), .exactly(56.4)),
      (PrimitiveKey(kind: .copyToPool, bytes: 64), .exactly(6.4)),
      (PrimitiveKey(kind: .copyToPool, bytes: 6_400), .exactly(640)),
    ]
    let primitives = Primitives(times: times.map { (key: $0.0, time: $0.1) })
    for (direction, factor) in [(DMADirection.deviceReadable, 1.0), (.deviceWritable, 2)] {
      let found = try #require(primitives.crossover(copying: .swiotlb, mapping: .iommuStrict, direction))
      #expect(abs(try #require(found.formula.bytes) * factor / 3_000 - 1) < 1e-3)
      #expect(abs(try #require(found.withOverhead.bytes) * factor / 2_500 - 1) < 1e-3)
    }
    #expect(primitives.crossover(copying: .iommuStrict, mapping: .swiotlb, .deviceReadable) == nil)
  }
}
