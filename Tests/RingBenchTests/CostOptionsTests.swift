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
@testable import RingBench

@Suite struct CostOptionsTests {
  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func defaultsAreTheDocumentedOnes() throws {
    let parameters = try parse("")
    #expect(parameters.rings == [.split, .packed])
    #expect(parameters.paths == DMAPath.allCases)
    #expect(parameters.sizes == [1_500, 4_096])
    #expect(parameters.directions == [.deviceReadable, .deviceWritable])
    #expect(parameters.queueSize == 256)
    #expect(parameters.depth == 128)
    #expect(parameters.batch == 32)
    #expect((parameters.driverCPU, parameters.deviceCPU) == (0, 1))
  }

  /// One that was not measured is never shown: another is, and standard error says so.
  @Test func theClassThatIsShownWasMeasured() throws {
    let options = try ClassOptions.parse(["--class", "smt"])
    #expect(try options.shown() == .smt)
    func document(_ classes: PlacementClass...) -> ResultDocument {
      var document = ResultDocument(
        run: RunStart(of: "cost").record(seed: nil, anonymous: true), machine: .fixture)
      document.results = classes.map { placement in
        var row = ResultRow(.path)
        (row.placement, row.slicesKept) = (PlacementFigure(placement, nil), 1)
        return row
      }
      return document
    }
    #expect(options.view(of: document(.smt, .sameL3), .smt, width: 80, isQuiet: false).shownClass == .smt)
    #expect(options.view(of: document(.sameL3), .smt, width: 80, isQuiet: false).shownClass == nil)
    #expect(options.view(of: document(.sameL3), nil, width: 80, isQuiet: false).shownClass == nil)
    #expect(throws: BenchError.self) { try ClassOptions.parse(["--class", "bogus"]).shown() }
    #expect(try ClassOptions.parse([]).shown() == nil)
  }

  @Test func listsComeWithCommasOrRepeated() throws {
    let parameters = try parse("--ring packed --ring split --size 4k --size 64KiB,1500 --path swiotlb")
    #expect(parameters.rings == [.packed, .split])
    #expect(parameters.sizes == [4_096, 65_536, 1_500])
    #expect(parameters.paths == [.swiotlb])
    #expect(parameters.measuredPaths == [.direct, .swiotlb])
  }

  @Test func featuresBecomeBits() throws {
    let parameters = try parse("--features indirect,event-idx --features in-order,order-platform")
    let expected: VirtioFeatures = [.version1, .indirectDescriptors, .eventIndex, .inOrder, .orderPlatform]
    #expect(parameters.featureBits == expected)
    #expect(try parse("--features none").featureBits == .version1)
  }

  @Test func depthAndBatchFollowASmallQueue() throws {
    let parameters = try parse("--queue-size 16")
    #expect(parameters.depth == 16)
    #expect(parameters.batch == 16)
    #expect(try parse("--ring packed --queue-size 100").queueSize == 100)
  }

  @Test func anOmittedCPUIsNotTheOtherOne() throws {
    let parameters = try parse("--device-cpu 0")
    #expect((parameters.driverCPU, parameters.deviceCPU) == (1, 0))
    #expect(try parse("--driver-cpu 3").deviceCPU == 0)
  }

  @Test func areasPerCPUAreAPowerOfTwo() throws {
    #expect(try parse("--swiotlb-areas per-cpu").swiotlbAreas == 4)
    #expect(try parse("").swiotlbAreas == 1)
  }

  @Test(arguments: [
    "--ring triple", "--path dircet", "--size 0", "--size 1x", "--size ,", "--size 262145", "--size 17m --path direct",
    "--depth 300", "--depth 0", "--depth -1", "--batch 64 --depth 32", "--batch 0", "--queue-size 100",
    "--queue-size 32769 --ring packed", "--driver-cpu 1 --device-cpu 1", "--features magic", "--page-size 1g",
    "--touch some", "--slices 0", "--slice-ms 0", "--swiotlb-areas 3", "--swiotlb-mib 1 --size 64k",
    "--swiotlb-mib 0", "--iotlb-sets 3", "--direction up", "--size 16m --path direct --depth 256",
    "--features none,indirect", "--features indirect --features none", "--path direct,,swiotlb", "--path ,direct",
    "--size 4k,", "--path swiotlb,swiotlb", "--size 4k,4096", "--ring split --ring split", "--queue-threads own",
    "--time-limit 0.001", "--time-limit nan", "--time-limit inf", "--time-limit 1e300",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  @Test(arguments: ["--driver-cpu 9", "--device-cpu -1", "--ring-node 1", "--payload-node 7"])
  func whatTheMachineLacksIsRefusedAsSuch(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 3)
  }

  @Test func theLimitOfSwiotlbIsNamed() {
    let error = #expect(throws: BenchError.self) { try parse("--size 300k --path swiotlb") }
    #expect(error?.message.contains("swiotlb") == true)
    #expect(error?.message.contains("262144") == true)
    #expect(throws: Never.self) { try parse("--size 256k --path swiotlb") }
    #expect(throws: Never.self) { try parse("--size 300k --path direct") }
  }
}
#endif
