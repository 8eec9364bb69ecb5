import RingIOMMU
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

/// What the paths behind an IOMMU do for a buffer, counted on one thread.
@Suite struct IOMMUWorkTests {
  private func benchCase(
    _ path: DMAPath, _ direction: DMADirection = .deviceReadable, _ change: (inout CostParameters) -> Void = { _ in }
  ) throws -> BenchCase {
    var parameters = CostParameters()
    parameters.paths = [path]
    parameters.sizes = [1_500]
    parameters.iommu.viommuPrice = .injected
    change(&parameters)
    var factory = CaseFactory(
      parameters: parameters, guest: try BenchGuest(parameters), servedBy: .waiter, flushInterval: .max)
    return try factory.make(CostKey(ring: .split, path: path, direction: direction, bytes: 1_500), counting: true)
  }

  /// Work per buffer once everything is warm.
  private func work(of benchCase: BenchCase) throws -> (WorkEvent) -> Double {
    _ = try benchCase.runOnOneThread(255)
    let before = benchCase.work
    _ = try benchCase.runOnOneThread(255)
    let done = benchCase.work - before
    benchCase.close()
    return { Double(done[$0]) / Double(255 * 32) }
  }

  @Test(arguments: DMADirection.allCases)
  func anEmulatedIOMMUCostsTwoExitsABuffer(direction: DMADirection) throws {
    let work = try work(of: benchCase(.viommu, direction))
    for event in [WorkEvent.exits, .invalidations, .invalidationWaits, .pageTableWrites] { #expect(work(event) == 2) }
    #expect(work(.missMessages) == 0)
  }

  @Test func theMMUCostsTwoSystemCallsABuffer() throws {
    let work = try work(of: benchCase(.mmu))
    #expect(work(.systemCalls) == 2 && work(.maps) == 1 && work(.unmaps) == 1)
  }

  @Test func mergingHalvesWhatTwoBuffersOfAPageCost() throws {
    for path in [DMAPath.iommuStrict, .viommu, .mmu] {
      let work = try work(of: benchCase(path) { $0.iommu.mergeBytes = 4_096 })
      #expect(work(.maps) == 0.5 && work(.unmaps) == 0.5 && work(.mergedMaps) == 0.5, "\(path.name)")
      if path == .iommuStrict { #expect(work(.invalidations) == 0.5 && work(.pageTableWrites) == 1) }
      if path == .viommu { #expect(work(.exits) == 1) }
      if path == .mmu { #expect(work(.systemCalls) == 1) }
    }
  }

  @Test func largePagesTakeTheMissesAway() throws {
    // 1,024 buffers on 512 pages are more than the IOTLB's 256 entries hold.
    let many: (inout CostParameters) -> Void = { ($0.queueSize, $0.depth) = (1_024, 1_024) }
    let small = try work(of: benchCase(.premapped, .deviceReadable, many))
    #expect(small(.iotlbMisses) > 0.4)
    let large = try work(
      of: benchCase(.premapped) {
        many(&$0)
        $0.iommu.pages = .huge
      })
    #expect(large(.iotlbMisses) == 0 && large(.iotlbHits) == 1)
  }

  @Test func aDepthThatTheKernelHasNoRoomForIsTheMachines() {
    let error = #expect(throws: BenchError.self) {
      _ = try benchCase(.mmu, .deviceReadable) {
        ($0.queueSize, $0.depth) = (32_768, 32_768)
        $0.features = [.indirect]
      }
    }
    #expect(error?.exitCode == 3)
    #expect(error?.message.contains("max_map_count") == true)
  }
}
