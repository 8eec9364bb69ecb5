#if Bench
import ArgumentParser
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan
@testable import RingBench

@Suite struct VFIOOptionsTests {
  private func parse(_ line: String) throws -> VFIOParameters {
    try VFIOCommand.parse(line.split(separator: " ").map { String($0) }).what.parameters()
  }

  @Test func optionsMeanWhatTheySay() throws {
    let parameters = try parse(
      "--device 0000:00:04.0 --path iommu-real --ring packed --requests 7 --size 8k --overwrite --no-fault")
    #expect(parameters.device == "0000:00:04.0" && parameters.requests == 7 && parameters.blockBytes == 8192)
    #expect(parameters.paths == [.iommuReal] && parameters.rings == [.packed])
    #expect(parameters.overwrite && !parameters.fault && parameters.queues == 1 && !parameters.interrupts)
    let several = try parse("--device 0000:00:04.0 --queues 4 --interrupts --frame 60")
    #expect(several.queues == 4 && several.interrupts && several.frameBytes == 60)
    let defaults = try parse("--device 0000:00:04.0")
    #expect(defaults.paths == VFIOPath.allCases && !defaults.overwrite && defaults.fault)
  }

  @Test(arguments: [
    "--requests 0", "--size 100", "--size 128k", "--depth 0", "--depth 65", "--queue-size 48", "--queue-size 2",
    "--path direct", "--ring round", "--queues 0", "--queues 65", "--frame 59", "--frame 1515",
  ])
  func whatMakesNoSenseIsRefused(line: String) {
    #expect(throws: BenchError.self) { try parse("--device 0000:00:04.0 " + line) }
  }
}
#endif
