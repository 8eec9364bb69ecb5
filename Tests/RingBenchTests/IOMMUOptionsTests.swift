#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import RingBench

@Suite struct IOMMUOptionsTests {
  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func withoutThemNothingIsInjectedMergedOrForced() throws {
    let iommu = try parse("").iommu
    #expect(iommu.viommuPrice == .process && iommu.mergeBytes == 0 && iommu.pages == nil)
    #expect(!iommu.isInjected(.viommu))
    #expect(iommu.price(of: .viommu) == "process" && iommu.price(of: .iommuStrict) == nil)
  }

  @Test func theyMeanWhatTheySay() throws {
    let injected = try parse("--viommu-price injected --viommu-ns 2000").iommu
    #expect(injected.viommuNanoseconds == 2_000)
    #expect(injected.isInjected(.viommu) && !injected.isInjected(.mmu))
    #expect(try parse("--viommu-price injected --viommu-ns 0").iommu.isInjected(.viommu))
    #expect(try parse("--iommu-merge 32k").iommu.mergeBytes == 32_768)
    let large = try parse("--iommu-merge 2m --iommu-pages 2m --path iommu-lazy").iommu
    #expect(large.mergeBytes == 2 << 20 && large.pages == .huge)
    #expect(large.rounded(300_000) == 2 << 20 && large.rounded((2 << 20) + 1) == 4 << 20)
    #expect(try parse("--iommu-pages 2m --path premapped").iommu.usesLargePages(.small))
    #expect(try !parse("--iommu-pages 4k --page-size 2m").iommu.usesLargePages(.huge))
    #expect(try parse("--page-size 2m").iommu.usesLargePages(.huge))
  }

  @Test(arguments: [
    "--viommu-price free", "--viommu-ns 100", "--viommu-price process --viommu-ns 100", "--viommu-price injected",
    "--viommu-price injected --viommu-ns -1", "--viommu-price injected --viommu-ns 1000001", "--iommu-merge 2k",
    "--iommu-merge 4m", "--iommu-merge 12k", "--iommu-merge yes", "--iommu-pages 1g",
    // What could change no figure.
    "--path mmu --viommu-price injected --viommu-ns 5", "--path mmu,swiotlb --iommu-pages 4k",
    "--iommu-merge 4k --path direct,premapped,swiotlb", "--iommu-merge 4k --size 4096,1m",
    "--iommu-pages 2m --path viommu",
    "--iommu-pages 2m --path iommu-strict --iommu-merge 32k", "--iommu-pages 2m --path mmu --iommu-merge 2m",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }
}
#endif
