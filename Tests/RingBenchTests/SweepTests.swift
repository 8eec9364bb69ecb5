import ArgumentParser
import FoundationEssentials
import RingKit
import Testing

@testable import RingBench

@Suite struct SweepTests {
  private func parse(_ line: String) throws -> CostParameters {
    try SweepCommand.parameters(CostOptions.parse(line.split(separator: " ").map { String($0) }), on: .fixture)
  }

  @Test func defaultsAreTheDocumentedOnes() throws {
    let parameters = try parse("")
    #expect(parameters.rings == [.split])
    #expect(parameters.paths == DMAPath.allCases.filter { $0 != .viommu && $0 != .mmu })
    #expect(try parse("--path viommu,mmu").paths == [.viommu, .mmu])
    #expect(parameters.sizes.first == 64 && parameters.sizes.last == 524_288)
    #expect(parameters.directions == DMADirection.allCases)
  }

  @Test func aSizeBeyondOnePathsLimitIsNoRefusalOfTheRun() throws {
    #expect(try parse("--size 64,300k --path swiotlb").sizes == [64, 307_200])
  }

  @Test(arguments: [
    "--size 17m", "--size 0", "--path dircet", "--size 16m --depth 256", "--direction up", "--slices 0",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func primitivesCoverTheEndsOfTheSizes() {
    let all = (6...19).map { 1 << $0 }
    let sizes = PrimitiveContenders.sizes(all)
    #expect(sizes.first == 64 && sizes.last == 262_144)
    #expect(sizes.count <= 7)
    #expect(PrimitiveContenders.sizes([1_500, 300_000]) == [1_500])
  }

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
              contender: keys.count, round: round, nanosecondsPerBuffer: time,
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
      run: PairedRun(run, contenders: keys.count, parameters: parameters, machine: .fixture))
  }

  @Test func theJSONHasTheDocumentedShape() throws {
    struct Shape: Decodable {
      struct Figure: Decodable { let median: Double, low: Double, high: Double }
      struct Row: Decodable {
        let path: String, direction: String, bytes: Int, refused: String?
        let bytesPerSecond: Figure?, nsPerBuffer: Figure?, percentOfDirect: Figure?
      }
      struct Pair: Decodable {
        struct Found: Decodable { let bytes: Figure, between: [Int], cheaperBelow: String, cheaperAbove: String }
        let paths: [String], direction: String, outcome: String, cheaperThroughout: String?, crossovers: [Found]
      }
      let schema: Int, results: [Row], crossovers: [Pair], interrupted: Bool
    }
    let shape = try JSONDecoder().decode(Shape.self, from: Data(try JSONText.encode(try report()).utf8))
    let row = try #require(shape.results.first { $0.path == "swiotlb" && $0.bytes == 2_048 })
    #expect(row.nsPerBuffer?.median == 204.8)
    #expect(row.bytesPerSecond?.median == 1e10)
    #expect(row.refused == nil)
    let refused = try #require(shape.results.first { $0.bytes == 524_288 })
    #expect(refused.refused == "a mapping of 524288 bytes is larger than this path's 262144")
    #expect(refused.nsPerBuffer == nil)
    let pair = try #require(shape.crossovers.first { $0.paths == ["iommu-strict", "swiotlb"] })
    let found = try #require(pair.crossovers.first)
    #expect(found.cheaperBelow == "swiotlb" && found.cheaperAbove == "iommu-strict")
    #expect(found.between == [2_048, 4_096])
    #expect(abs(found.bytes.median - 3_000) < 5)
    let none = try #require(shape.crossovers.first { $0.paths == ["direct", "iommu-strict"] })
    #expect(none.outcome == "no crossover in range")
    #expect(none.cheaperThroughout == "direct")
  }

  @Test func theTextHasTheCrossoverAndTheRefusal() throws {
    let text = SweepText(try report(), shownClass: nil).render()
    #expect(text.contains("3,000"))
    #expect(text.contains("swiotlb below, iommu-strict above"))
    #expect(text.contains("swiotlb, 524,288 bytes: a mapping of 524288 bytes"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }
}
