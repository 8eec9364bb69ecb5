#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import RingBench

@Suite struct SweepOptionsTests {
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
}
#endif
