#if Bench
import ArgumentParser
import BenchTestSupport
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import RingBench

@Suite struct IsolationOptionsTests {
  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func isolationMeasuresWhatAnotherProcessCanServe() throws {
    #expect(try parse("").isolation == IsolationParameters())
    #expect(try parse("--isolate").isolation.paths == DMAPath.allCases.filter { $0.isolationRefusal() == nil })
    let named = try parse("--isolate --path swiotlb --device-socket /run/d")
    var expected = IsolationParameters()
    expected.paths = [.swiotlb]
    expected.socketPath = "/run/d"
    #expect(named.isolation == expected && !expected.isForced)
    // The baseline stays what it is: two threads.
    #expect(named.measuredPaths == [.direct, .swiotlb])
  }

  @Test(arguments: DMAPath.allCases.filter { $0.isolationRefusal() != nil })
  func aPathThatNeedsPrivateMemoryIsRefusedOnASecurePlatform(_ path: DMAPath) throws {
    let error = #expect(throws: BenchError.self) { try parse("--isolate --path swiotlb,\(path.name)") }
    #expect(error?.exitCode == 3)
    #expect(error?.message.contains(path.name) == true && error?.message.contains("\n") == false)
  }

  @Test func onlyWhatCanFaultCanBeForced() throws {
    #expect(try parse("--isolate --path direct --unsafe-force").isolation.isForced)
    #expect(try parse("--isolate --path identity,swiotlb --unsafe-force").isolation.paths == [.identity, .swiotlb])
    for (path, code) in [("mmu", 3), ("iommu-strict", 2)] as [(String, Int32)] {
      let error = #expect(throws: BenchError.self) { try parse("--isolate --path \(path) --unsafe-force") }
      #expect(error?.exitCode == code)
    }
  }

  @Test func viommuIsolatesWhereNoThirdProcessIsAsked() throws {
    let injected = try parse("--isolate --path viommu --viommu-price injected --viommu-ns 5")
    #expect(injected.isolation.paths == [.viommu])
    let all = try parse("--isolate --viommu-price injected --viommu-ns 5")
    #expect(all.isolation.paths.contains(.viommu) && !all.isolation.paths.contains(.mmu))
    #expect(try !parse("--isolate").isolation.paths.contains(.viommu))
  }

  @Test(arguments: [
    "--unsafe-force", "--device-socket /run/d", "--isolate --unsafe-force",
    "--isolate --path swiotlb --unsafe-force", "--isolate --queues 2 --path swiotlb",
  ])
  func whatWouldDoNothingIsRefused(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2 && error?.message.contains("\n") == false)
  }

  @Test func sweepDoesNotIsolate() throws {
    let options = try CostOptions.parse(["--isolate", "--path", "swiotlb"])
    let error = #expect(throws: BenchError.self) { try SweepCommand.parameters(options, on: .fixture) }
    #expect(error?.exitCode == 2 && error?.message.contains("cost") == true)
  }
}
#endif
