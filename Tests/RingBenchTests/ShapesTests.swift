#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport
@testable import BenchRuns
@testable import RingBench

@Suite struct ShapesTests {
  private func parse(_ line: String) throws -> ShapeParameters {
    try ShapesCommand.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  private func bench(_ shape: Shape, _ ring: RingLayout = .split) -> ShapeBench {
    var parameters = ShapeParameters()
    parameters.shapes = [shape]
    parameters.ring = ring
    return ShapeBench(shape: shape, parameters: parameters, machine: .fixture, progress: Progress())
  }

  // MARK: The command line

  @Test func allElevenUnlessNamed() throws {
    #expect(try parse("").shapes.map(\.name).joined() == "ABCDEFGHIJK")
    #expect(try parse("A C J").shapes == [.ladder, .invalidations, .indirect])
    #expect(try parse("j,a b").shapes == [.indirect, .ladder, .copyAgainstMap])
  }

  @Test(arguments: [
    "L", "A Z", "--ring triple", "--slices 0", "--slice-ms 0", "--time-limit 0", "--class near", "A a",
    "A --time-limit 0.001", "A,,B",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func theTimeIsSharedOut() throws {
    // Of what is left each time, so that nothing is left after the last.
    let shapes = try parse("").shapes
    let left = shapes.indices.reduce(100.0) { left, number in left * (1 - ShapeParameters.share(shapes[number...])) }
    #expect(left == 0)
    #expect(ShapeParameters.share([.copyAgainstMap, .ladder, .invalidations]) == 5.0 / 8)
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
}
#endif
