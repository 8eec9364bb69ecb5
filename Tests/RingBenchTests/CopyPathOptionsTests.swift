#if Bench
import ArgumentParser
import BenchTestSupport
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import RingBench

@Suite struct CopyPathOptionsTests {
  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func defaultsAreTheDocumentedOnes() throws {
    let parameters = try parse("")
    #expect((parameters.beyondPercent, parameters.maskBits) == (50, 32))
    #expect(parameters.shadowSlot == nil && parameters.hybridThreshold == nil)
    #expect(BenchGuest.shadowSlot(1500, parameters) == 1536)
  }

  @Test func valuesArriveWithTheirUnits() throws {
    let parameters = try parse("--beyond 0 --shadow-slot 64KiB --hybrid-threshold 4k")
    #expect(parameters.beyondPercent == 0)
    #expect((parameters.shadowSlot, parameters.hybridThreshold) == (65_536, 4_096))
    #expect(try parse("--mask-bits 64").maskBits == 64)
    #expect(try parse("--hybrid-threshold 0").hybridThreshold == 0)
  }

  @Test(arguments: [
    "--beyond 50 --mask-bits 32", "--beyond -1", "--beyond 101", "--mask-bits 30", "--mask-bits 65",
    "--shadow-slot 0", "--shadow-slot 100", "--shadow-slot 17m", "--shadow-slot 1k --size 1500 --path shadow",
    "--hybrid-threshold x", "--size 300k --path dma-mask", "--swiotlb-mib 1 --size 64k --path dma-mask",
  ])
  func refusesWithUsage(line: String) {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
  }

  @Test func hybridMapsWhatIsLargerThanItsBuffers() throws {
    #expect(throws: Never.self) { try parse("--shadow-slot 1k --size 1500 --path hybrid") }
  }
}
#endif
