#if Bench
import ArgumentParser
import BenchTestSupport
import FoundationEssentials
import RingKit
import TestTraits
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport
@testable import BenchRuns
@testable import RingBench

@Suite struct ExhaustTests {
  private func parameters(_ change: (inout ExhaustParameters) -> Void) -> ExhaustParameters {
    var parameters = ExhaustParameters()
    parameters.modes = [.interleaved]
    parameters.areas = [1]
    parameters.depths = [32]
    parameters.buffers = 300
    let cpus = Machine.read().cpus
    parameters.driverCPU = cpus.first ?? 0
    parameters.deviceCPU = cpus.last ?? 0
    change(&parameters)
    return parameters
  }

  private func rows(_ parameters: ExhaustParameters) throws -> [ExhaustRow] {
    try ExhaustMeasurement(parameters: parameters, machine: .fixture).run(progress: Progress()).results
  }

  /// Everything fits that the pool holds at a time; then one map fails, the device serves it all, and so on.
  @Test(arguments: [(1_500, 1), (2_049, 2), (4_096, 2), (5_000, 4), (65_536, 32), (262_144, 128)])
  func onOneThreadTheCountsFollowFromTheSizes(bytes: Int, stride: Int) throws {
    for (pool, areas) in [(256 << 10, 1), (1 << 20, 1), (1 << 20, 2), (1 << 20, 4)] {
      for (direction, ring) in [(DMADirection.deviceReadable, RingLayout.split), (.deviceWritable, .packed)] {
        let row = try #require(
          try rows(
            parameters {
              $0.sizes = [bytes]
              $0.pools = [pool]
              $0.areas = [areas]
              $0.directions = [direction]
              $0.rings = [ring]
              $0.depths = [128]
              $0.batch = 128
            }
          ).first)
        let held = min(128, pool / 262_144 * (128 / stride))
        let cycles = (300 + held - 1) / held
        let failures = held < 128 ? cycles - 1 : 0
        #expect(row.delivered == 300)
        #expect(row.failures == failures, "pool of \(pool), \(areas) areas, \(direction.name), \(ring.name)")
        #expect(row.attempts == 300 + failures)
        #expect(row.retries == failures && row.delayedShare == Double(failures) / 300)
        #expect(row.mostOutstanding == held)
        #expect(row.highWaterSlots == held * ((bytes + 2_047) / 2_048))
        #expect(row.areas == areas && row.error == nil)
      }
    }
  }

  @Test(.oneAtATime, arguments: RingLayout.allCases, DMADirection.allCases)
  func onTwoThreadsNothingIsLost(ring: RingLayout, direction: DMADirection) throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    let all = try rows(
      parameters {
        $0.modes = [.threads]
        $0.rings = [ring]
        $0.directions = [direction]
        $0.pools = [256 << 10, 1 << 20]
        $0.areas = [1, 4]
        $0.sizes = [65_536]
        $0.buffers = 1_000
      })
    #expect(all.count == 3, "a pool of one segment has one area, whatever was asked for")
    for row in all {
      #expect(row.delivered == 1_000)
      #expect(row.attempts == 1_000 + row.failures)
      #expect(row.mostOutstanding <= row.poolSlots / 32)
      #expect(row.highWaterSlots <= row.poolSlots)
    }
  }

  @Test func aBufferBeyondTheCeilingAlwaysFailsWithItsName() throws {
    let all = try rows(
      parameters {
        $0.modes = [.interleaved, .threads]
        $0.areas = [1, 2]
        $0.sizes = [262_144, 262_145]
        $0.pools = [64 << 20]
      })
    let beyond = try #require(all.first { $0.bytes == 262_145 })
    #expect(all.filter { $0.bytes == 262_145 }.count == 1)
    #expect(beyond.attempts == 32 && beyond.failures == 32 && beyond.failedShare == 1)
    #expect(beyond.error == "mapping failed: a mapping of 262145 bytes is larger than this path's 262144")
    #expect(all.filter { $0.bytes == 262_144 }.allSatisfy { $0.error == nil && $0.delivered == 300 })
  }

  private func parse(_ line: String) throws -> ExhaustParameters {
    let command = try ExhaustCommand.parse(line.split(separator: " ").map { String($0) })
    return try command.what.parameters(command.cpus, on: .fixture)
  }

  @Test(arguments: [
    "--pool 100k", "--pool 0", "--pool 2048m", "--pool ,", "--size 0", "--size 17m", "--depth 0", "--depth x",
    "--depth 300", "--swiotlb-areas 0", "--swiotlb-areas many", "--buffers 0", "--batch 0", "--mode both",
    "--queue-size 100", "--ring triple", "--direction up", "--size 16m --depth 256", "--pool 768k --swiotlb-areas 2",
    "--driver-cpu 1 --device-cpu 1",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func optionsMeanWhatTheySay() throws {
    let parameters = try parse("--pool 1m,256KiB --swiotlb-areas per-cpu,1 --depth 8 --size 4k --mode threads")
    #expect(parameters.pools == [1 << 20, 256 << 10])
    #expect(parameters.areas == [4, 1])
    #expect(parameters.cases.map(\.areas) == [4, 1, 1])
    #expect((parameters.driverCPU, parameters.deviceCPU) == (0, 1))
    #expect(try parse("").areas == [1, 4])
  }

  @Test func theJSONHasTheDocumentedShape() throws {
    struct Shape: Decodable {
      struct Row: Decodable {
        let mode, ring, direction: String
        let poolBytes, poolSlots, areas, depth, bytes, attempts, failures, retries, mostAttempts, mostOutstanding: Int
        let highWaterSlots, delivered, bytesVerified: Int
        let failedShare, delayedShare, slotsSearchedPerMap, areasSkippedPerMap: Double
        let recovered: Bool
        let error: String?
      }
      let interrupted: Bool
      let results: [Row]
    }
    let report = try ExhaustMeasurement(
      parameters: parameters {
        $0.sizes = [65_536, 262_145]
        $0.pools = [256 << 10]
      }, machine: .fixture
    ).run(progress: Progress())
    let shape = try JSONDecoder().decode(Shape.self, from: Data(try JSONText.encode(report).utf8))
    #expect(shape.results.count == 2 && shape.results.allSatisfy(\.recovered))
    #expect(shape.results[0].attempts == 374 && shape.results[0].failedShare == 0.1979)
    #expect(shape.results[1].error?.contains("262144") == true)
    let text = report.text()
    #expect(text.contains("always: too large") && text.contains("pool of 256 KiB"))
    #expect(!text.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }
}
#endif
