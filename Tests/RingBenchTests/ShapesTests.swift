import ArgumentParser
import FoundationEssentials
import RingKit
import Testing

@testable import RingBench

@Suite struct ShapesTests {
  private func parse(_ line: String) throws -> ShapeParameters {
    try ShapesOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  private func bench(_ shape: Shape, _ ring: RingLayout = .split) -> ShapeBench {
    var parameters = ShapeParameters()
    parameters.shapes = [shape]
    parameters.ring = ring
    return ShapeBench(shape: shape, parameters: parameters, machine: .fixture, progress: Progress())
  }

  // MARK: The command line

  @Test func allTenUnlessNamed() throws {
    #expect(try parse("").shapes.map(\.name).joined() == "ABCDEFGHIJ")
    #expect(try parse("A C J").shapes == [.ladder, .invalidations, .indirect])
    #expect(try parse("j,a a").shapes == [.indirect, .ladder])
  }

  @Test(arguments: ["K", "A Z", "--ring triple", "--slices 0", "--slice-ms 0", "--time-limit 0", "--class near"])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func theTimeIsSharedOut() throws {
    let all = try parse("--time-limit 100")
    #expect(abs(all.shapes.reduce(0) { $0 + all.limit(of: $1) } - 100) < 1e-9)
    #expect(try parse("C --time-limit 30").limit(of: .invalidations) == 30)
  }

  // MARK: Counts

  // Linux dma-iommu: strict waits for each unmap, the flush queue is full at 255.
  @Test(arguments: RingLayout.allCases)
  func strictInvalidatesPerUnmapAndLazyPer255(ring: RingLayout) throws {
    let strict = try InvalidationShape.count(.iommuStrict, bench(.invalidations, ring))
    #expect(strict[.unmaps] == 4_080)
    #expect(strict[.invalidations] == 4_080)
    let lazy = try InvalidationShape.count(.iommuLazy, bench(.invalidations, ring))
    #expect(lazy[.unmaps] == 4_080)
    #expect(lazy[.invalidations] == 4_080 / 255)
    #expect(lazy[.deferredUnmaps] == 4_080)
  }

  // Linux virtio_ring: the indirect table goes through the DMA API like a device-readable buffer.
  @Test(arguments: RingLayout.allCases, [2, 4, 16])
  func anIndirectChainOfNTakesNPlusOneMaps(ring: RingLayout, chain: Int) throws {
    for path in [DMAPath.identity, .iommuStrict, .iommuLazy, .swiotlb] {
      let counts = try IndirectShape.count(path, chain: chain, isIndirect: true, bench(.indirect, ring))
      #expect(counts[.maps] == UInt64(4_080 * (chain + 1)), "\(path.name)")
      #expect(counts[.unmaps] == UInt64(4_080 * (chain + 1)), "\(path.name)")
      if path == .swiotlb { #expect(counts[.bytesCopiedIn] == UInt64(4_080 * (1_536 + 16 * chain))) }
    }
    let plain = try IndirectShape.count(.identity, chain: chain, isIndirect: false, bench(.indirect, ring))
    #expect(plain[.maps] == UInt64(4_080 * chain))
  }

  // From a page on a mapping starts on a page, so three slots take four; 128 slots are the most.
  @Test(arguments: [
    (256, 1_500, 128), (1_024, 4_096, 256), (1_024, 6_000, 128), (1_024, 262_144, 4), (256, 200_000, 1),
  ])
  func aPoolHoldsWholeBuffers(poolKiB: Int, bytes: Int, capacity: Int) throws {
    #expect(ExhaustionShape.capacity(poolKiB: poolKiB, bytes: bytes) == capacity)
    let depth = min(capacity + 5, 256)
    let outcome = try ExhaustionShape.fill(poolKiB: poolKiB, depth: depth, bytes: bytes)
    #expect(outcome.added == min(capacity, depth))
    #expect(outcome.failed == depth - min(capacity, depth))
    #expect(outcome.recovered == outcome.added)
  }

  @Test func beyond256KiBIsRefusedAsTooLarge() throws {
    let outcome = try ExhaustionShape.fill(poolKiB: 1_024, depth: 1, bytes: 262_145)
    #expect(outcome.failed == 1)
    #expect(outcome.refusal == .tooLarge(byteCount: 262_145, maximum: 262_144))
  }

  // MARK: The report

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
    let missing = ShapeResult.notShown(.backend, published: [.asterinas], why: "no such path")
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
      let schema: Int, shapes: [One], interrupted: Bool
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
    let text = ShapesText(report()).render()
    #expect(text.contains("from memory, not checked"))
    #expect(text.contains("agrees: counted"))
    #expect(text.contains("cannot be shown here: no such path"))
    #expect(text.contains("0.003922"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }
}
