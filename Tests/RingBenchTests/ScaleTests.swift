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

@Suite struct ScaleTests {
  private func parse(_ line: String) throws -> ScaleParameters {
    let command = try ScaleCommand.parse(line.split(separator: " ").map { String($0) })
    return try command.what.parameters(command.duration, command.cpus, on: .fixture)
  }

  @Test func defaultsCoverEachAxisFromEndToEnd() throws {
    let parameters = try parse("")
    #expect(parameters.axes == ScaleAxis.allCases)
    #expect(parameters.queueSizes.first == 64 && parameters.queueSizes.last == 32_768)
    #expect(parameters.mappings.first == 16 && parameters.mappings.last == 16_384)
    #expect(parameters.queueCounts.first == 1 && parameters.queueCounts.last == 16)
    #expect(parameters.memoryBytes.first == 1 << 20 && parameters.memoryBytes.last == 64 << 30)
    #expect(parameters.points.count == 22)
  }

  @Test func optionsMeanWhatTheySay() throws {
    let parameters = try parse(
      "--axis memory,queues --ring packed --path premapped --direction device-writable --size 2k --memory 64GiB,1m "
        + "--queues 4 --queues 1 --seed 7")
    #expect(parameters.axes == [.memory, .queues] && parameters.rings == [.packed])
    #expect(parameters.measuredPaths == [.direct, .premapped])
    #expect(parameters.direction == .deviceWritable && parameters.bytes == 2_048 && parameters.seed == 7)
    #expect(parameters.memoryBytes == [1 << 20, 64 << 30] && parameters.queueCounts == [1, 4])
  }

  /// Along an axis only what it is named after changes.
  @Test func aPointDiffersFromTheNextInItsValueAlone() throws {
    let parameters = try parse("")
    for axis in ScaleAxis.allCases {
      let costs = parameters.values(axis).map {
        parameters.cost(ScalePoint(axis: axis, value: $0, ring: .split))
      }
      func count(_ value: (CostParameters) -> Int) -> Int { Set(costs.map(value)).count }
      #expect(count { $0.queueSize } == (axis == .queueSize ? 6 : 1))
      #expect(count { $0.depth } == (axis == .mappings ? 6 : 1))
      #expect(count { $0.queues } == (axis == .queues ? 5 : 1))
      #expect(count { $0.memorySpan ?? 0 } == (axis == .memory ? 5 : 1))
      #expect(count { $0.batch } == 1 && count { $0.swiotlbMebibytes } == 1)
    }
  }

  @Test func queuesHaveThreadsOfTheirOwnAsFarAsThereAreCPUs() throws {
    var parameters = try parse("")
    parameters.otherCPUs = [CPUsOfQueue(driverCPU: 2, deviceCPU: 3)]
    let threads = [1, 2, 4].map {
      parameters.cost(ScalePoint(axis: .queues, value: $0, ring: .split)).queueThreads
    }
    #expect(threads == [.pair, .own, .pair])
  }

  @Test(arguments: [
    "--axis depth", "--axis memory,memory", "--path viommu", "--path hybrid", "--queue-size 32", "--queue-size 96",
    "--queue-size 65536", "--mappings 0", "--mappings 16385", "--queues 17", "--memory 1000", "--memory 65GiB",
    "--memory 1048577", "--size 0", "--size 4097", "--slices 0", "--direction both", "--queues 1,,2",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }
}
#endif
