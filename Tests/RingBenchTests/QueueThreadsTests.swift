#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchRuns
@testable import RingBench

@Suite(.oneAtATime) struct QueueThreadsTests {
  private func parameters(_ paths: [DMAPath], queues: Int) -> CostParameters {
    var parameters = CostParameters()
    parameters.rings = [.split]
    parameters.paths = paths
    parameters.sizes = [1_500]
    parameters.directions = [.deviceWritable]
    parameters.queues = queues
    parameters.depth = 32
    parameters.slices = 1
    parameters.sliceMilliseconds = 0.1
    parameters.timeLimit = 3e7
    parameters.swiotlbMebibytes = 1
    let cpus = Machine.read().cpus
    (parameters.driverCPU, parameters.deviceCPU) = (cpus[0], cpus[cpus.count - 1])
    return parameters
  }

  /// Work is that of one queue per buffer, however many there are; every byte of every queue is checked on the way.
  @Test(arguments: [2, 3])
  func onOnePairOfThreadsTheWorkPerBufferIsExact(queues: Int) throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    var parameters = parameters(
      [.identity, .iommuStrict, .iommuLazy, .premapped, .swiotlb, .shadow, .hybrid], queues: queues)
    // Given, and above the size: all is copied. What is mapped, the next test has.
    parameters.hybridThreshold = 4_096
    for row in try run(parameters) {
      switch row.path {
      case .identity: #expect(row.counters["maps"] == 1)
      case .iommuStrict:
        #expect(row.counters["invalidations"] == 1 && row.counters["pageTableWrites"] == 2)
        // One driver thread has no other to wait for.
        #expect(row.counters["invalidationLockWaits"] == 0 && row.counters["iovaTreeLockWaits"] == 0)
      case .iommuLazy: #expect(row.counters["deferredUnmaps"] == 1)
      case .premapped: #expect(row.counters["maps"] == 0)
      case .swiotlb: #expect(row.counters["bytesCopiedIn"] == 1_500 && row.counters["swiotlbLockWaits"] == 0)
      case .shadow: #expect(row.counters["bytesCopiedIn"] == 0 && row.counters["bytesCopiedOut"] == 1_500)
      case .hybrid: #expect(row.counters["bounced"] == 1 && row.counters["bytesCopiedOut"] == 1_500)
      default: break
      }
    }
  }

  /// Threads of their own, here more of them than CPUs: nothing may rest on all of them running at once.
  @Test func withThreadsOfTheirOwnTheWorkPerBufferIsExact() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    var parameters = parameters([.iommuLazy, .swiotlb, .shadow, .hybrid], queues: 2)
    parameters.hybridThreshold = 1_024
    parameters.queueThreads = .own
    parameters.otherCPUs = [CPUsOfQueue(driverCPU: parameters.deviceCPU, deviceCPU: parameters.driverCPU)]
    for row in try run(parameters) {
      switch row.path {
      case .iommuLazy: #expect(row.counters["maps"] == 1 && row.counters["iovaDepotLockWaits"] != nil)
      case .swiotlb: #expect(row.counters["maps"] == 1 && row.counters["swiotlbLockWaits"] != nil)
      case .shadow: #expect(row.counters["bytesCopiedOut"] == 1_500)
      case .hybrid: #expect(row.counters["invalidations"] == 1 && row.counters["invalidationLockWaits"] != nil)
      default: break
      }
    }
  }

  /// Rows, made of what was counted: whether a slice was kept is the machine's affair.
  private func run(_ parameters: CostParameters) throws -> [(path: DMAPath, counters: [String: Double])] {
    var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let cases = try parameters.measuredPaths.map { path in
      let key = CostKey(ring: .split, path: path, direction: .deviceWritable, bytes: 1_500)
      let benchCase = try factory.makeAll(key, counting: true)
      benchCase.countedBuffers = 255 * parameters.queues
      return benchCase
    }
    let schedule = try SliceSchedule(
      parameters, counted: cases, timed: [], groups: [],
      otherQueues: parameters.queueThreads == .own ? Array(parameters.queueCPUs.dropFirst()) : [],
      tuner: factory.tuner)
    let run = try SliceSession(schedule).run(progress: Progress())
    let counted = parameters.measuredPaths.indices.compactMap { number in
      run.counters[number].map { (path: parameters.measuredPaths[number], counters: $0) }
    }
    #expect(counted.count == parameters.measuredPaths.count)
    return counted
  }

  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func queuesAndTheirThreadsArePlaced() throws {
    #expect(try parse("").queues == 1)
    let pair = try parse("--queues 3")
    #expect(
      pair.paths.contains(.shadow) && !pair.paths.contains(.viommu) && pair.paths.allSatisfy(\.takesSeveralQueues))
    #expect(pair.queueThreads == .pair && pair.queueCPUs.map(\.driver) == [0, 0, 0])
    let own = try parse("--queues 2 --queue-threads own --driver-cpu 1 --device-cpu 3")
    #expect(own.queueCPUs.map(\.driver) == [1, 0] && own.queueCPUs.map(\.device) == [3, 2])
  }

  @Test(arguments: [
    ("--queues 0", 2), ("--queues 17", 2), ("--queue-threads many", 2), ("--queues 3 --queue-threads own", 3),
    ("--queues 16 --size 1m --path direct", 2), ("--queues 8 --swiotlb-mib 1", 2),
    ("--queues 2 --path viommu", 2), ("--queues 2 --path shadow,mmu", 2), ("--queues 2 --path dma-mask", 2),
  ])
  func whatCannotBeHadIsRefused(line: String, code: Int32) {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == code)
    #expect(error?.message.contains("\n") == false)
  }
}
#endif
