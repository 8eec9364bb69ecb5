import ArgumentParser
import RingKit
import Testing

@testable import RingBench

@Suite struct IsolationOptionsTests {
  private func parse(_ line: String) throws -> CostParameters {
    try CostOptions.parse(line.split(separator: " ").map { String($0) }).parameters(on: .fixture)
  }

  @Test func isolationMeasuresWhatAnotherProcessCanServe() throws {
    #expect(try parse("").isolation == IsolationParameters())
    #expect(try parse("--isolate").isolation.paths == DMAPath.allCases.filter { $0.isolationRefusal() == nil })
    let named = try parse("--isolate --path swiotlb --device-socket /run/d")
    #expect(named.isolation == IsolationParameters(paths: [.swiotlb], isForced: false, socketPath: "/run/d"))
    // The baseline stays what it is: two threads.
    #expect(named.measuredPaths == [.direct, .swiotlb])
  }

  @Test(arguments: DMAPath.allCases.filter { $0.isolationRefusal() != nil })
  func aPathThatNeedsPrivateMemoryIsRefusedOnASecurePlatform(_ path: DMAPath) throws {
    let error = #expect(throws: BenchError.self) { try parse("--isolate --path swiotlb,\(path.name)") }
    #expect(error?.exitCode == 3)
    #expect(error?.message.contains(path.name) == true && error?.message.contains("\n") == false)
  }

  /// What the command line refuses the platform refuses as well.
  @Test(arguments: [([DMAPath.direct], "ACCESS_PLATFORM"), ([.direct, .shadow], "private memory")])
  func whatIsNotForcedIsRefusedAtSetUp(_ paths: [DMAPath], _ reason: String) throws {
    var parameters = CostParameters()
    parameters.paths = paths
    parameters.isolation.paths = paths
    var factory = ContenderFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let key = CostKey(ring: .split, path: .direct, direction: .deviceReadable, bytes: 1500, isolated: true)
    let error = #expect(throws: BenchError.self) { _ = try factory.make(key, counter: NoWork()) }
    #expect(error?.exitCode == 3 && error?.message.contains(reason) == true, "\(error?.message ?? "")")
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

  @Test func aLoadGoesOverAndComesBack() throws {
    var load = IsolatedLoad()
    load.direction = .deviceWritable
    load.touch = .none
    load.bytes = 1500
    load.batch = 32
    load.prefersLargePages = true
    load.sequence = .max
    load.counts = GuestPhysicalAddress(4096)
    #expect(IsolatedLoad(load.words) == load)
    for (place, value) in [(0, 16), (1, 1 << 30), (2, 0), (2, 1 << 20)] as [(Int, UInt64)] {
      var words = load.words
      words[place] = value
      #expect(IsolatedLoad(words) == nil, "word \(place) is \(value)")
    }
    #expect(IsolatedLoad([]) == nil)
  }
}
