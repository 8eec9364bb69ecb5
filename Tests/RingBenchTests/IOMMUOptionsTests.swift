import ArgumentParser
import RingKit
import Testing

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

  private func contender(
    _ path: DMAPath, _ direction: DMADirection = .deviceReadable, _ change: (inout CostParameters) -> Void = { _ in }
  ) throws -> Contender {
    var parameters = CostParameters()
    parameters.paths = [path]
    parameters.sizes = [1_500]
    parameters.iommu.viommuPrice = .injected
    change(&parameters)
    var factory = ContenderFactory(
      parameters: parameters, guest: try BenchGuest(parameters), servedBy: .waiter, flushInterval: .max)
    return try factory.make(
      CostKey(ring: .split, path: path, direction: direction, bytes: 1_500), counter: CountedWork())
  }

  /// Work per buffer once everything is warm.
  private func work(of contender: Contender) throws -> (WorkEvent) -> Double {
    _ = try contender.runOnOneThread(255)
    let before = contender.work()
    _ = try contender.runOnOneThread(255)
    let done = contender.work() - before
    contender.close()
    return { Double(done[$0]) / Double(255 * 32) }
  }

  @Test(arguments: DMADirection.allCases)
  func anEmulatedIOMMUCostsTwoExitsABuffer(direction: DMADirection) throws {
    let work = try work(of: contender(.viommu, direction))
    for event in [WorkEvent.exits, .invalidations, .invalidationWaits, .pageTableWrites] { #expect(work(event) == 2) }
    #expect(work(.missMessages) == 0)
  }

  @Test func theMMUCostsTwoSystemCallsABuffer() throws {
    let work = try work(of: contender(.mmu))
    #expect(work(.systemCalls) == 2 && work(.maps) == 1 && work(.unmaps) == 1)
  }

  @Test func mergingHalvesWhatTwoBuffersOfAPageCost() throws {
    for path in [DMAPath.iommuStrict, .viommu, .mmu] {
      let work = try work(of: contender(path) { $0.iommu.mergeBytes = 4_096 })
      #expect(work(.maps) == 0.5 && work(.unmaps) == 0.5 && work(.mergedMaps) == 0.5, "\(path.name)")
      if path == .iommuStrict { #expect(work(.invalidations) == 0.5 && work(.pageTableWrites) == 1) }
      if path == .viommu { #expect(work(.exits) == 1) }
      if path == .mmu { #expect(work(.systemCalls) == 1) }
    }
  }

  @Test func largePagesTakeTheMissesAway() throws {
    // 1,024 buffers on 512 pages are more than the IOTLB's 256 entries hold.
    let many: (inout CostParameters) -> Void = { ($0.queueSize, $0.depth) = (1_024, 1_024) }
    let small = try work(of: contender(.premapped, .deviceReadable, many))
    #expect(small(.iotlbMisses) > 0.4)
    let large = try work(
      of: contender(.premapped) {
        many(&$0)
        $0.iommu.pages = .huge
      })
    #expect(large(.iotlbMisses) == 0 && large(.iotlbHits) == 1)
  }

  @Test func aDepthThatTheKernelHasNoRoomForIsTheMachines() {
    let error = #expect(throws: BenchError.self) {
      _ = try contender(.mmu, .deviceReadable) {
        ($0.queueSize, $0.depth) = (32_768, 32_768)
        $0.features = [.indirect]
      }
    }
    #expect(error?.exitCode == 3)
    #expect(error?.message.contains("max_map_count") == true)
  }
}
