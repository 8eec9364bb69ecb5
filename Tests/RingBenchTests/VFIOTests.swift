import ArgumentParser
import RingKit
import Testing

@testable import RingBench

@Suite struct VFIOTests {
  private func parse(_ line: String) throws -> VFIOParameters {
    try VFIOOptions.parse(line.split(separator: " ").map { String($0) }).parameters()
  }

  @Test func optionsMeanWhatTheySay() throws {
    let parameters = try parse(
      "--device 0000:00:04.0 --path iommu-real --ring packed --requests 7 --size 8k --overwrite --no-fault")
    #expect(parameters.device == "0000:00:04.0" && parameters.requests == 7 && parameters.blockBytes == 8192)
    #expect(parameters.paths == [.iommuReal] && parameters.rings == [.packed])
    #expect(parameters.overwrite && !parameters.fault)
    let defaults = try parse("--device 0000:00:04.0")
    #expect(defaults.paths == VFIOPath.allCases && !defaults.overwrite && defaults.fault)
  }

  @Test(arguments: [
    "--requests 0", "--size 100", "--size 128k", "--depth 0", "--depth 65", "--queue-size 48", "--queue-size 2",
    "--path direct", "--ring round",
  ])
  func whatMakesNoSenseIsRefused(line: String) {
    #expect(throws: BenchError.self) { try parse("--device 0000:00:04.0 " + line) }
  }

  /// A block that holds another block's pattern, or a changed word, must not pass for the right one.
  @Test func aWrongWordIsFound() throws {
    var parameters = VFIOParameters()
    parameters.overwrite = true
    let content = VFIOContent(parameters, sectorCount: 1 << 16)
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: parameters.blockBytes)
    let memory = SharedMemory(region.hostBase, byteCount: parameters.blockBytes)
    content.fill(memory, request: 5)
    let sum = try content.check(memory, request: 5)
    #expect(throws: BenchError.self) { try content.check(memory, request: 6) }
    memory.store64(memory.load64(4088) ^ 1, 4088)
    #expect(throws: BenchError.self) { try content.check(memory, request: 5) }
    content.fill(memory, request: nil)
    #expect(throws: BenchError.self) { try content.check(memory, request: 5) }
    // Without a pattern the sums of two paths are compared instead.
    parameters.overwrite = false
    let reading = VFIOContent(parameters, sectorCount: 1 << 16)
    #expect(try reading.check(memory, request: 5) != sum)
  }

  @Test func everyRequestStaysOnTheDevice() {
    var parameters = VFIOParameters()
    parameters.blockBytes = 65_536
    // Ten blocks and a part of one, which is none.
    let content = VFIOContent(parameters, sectorCount: 10 * 128 + 5)
    let sectors = Set((0..<1_000).map { content.sector(of: $0) })
    #expect(sectors == Set((0..<10).map { UInt64($0) * 128 }))
  }

  @Test func aFaultNobodyReportsIsNoReport() {
    func fault(_ reset: Bool, _ request: String?, _ messages: [String]?) -> Bool {
      VFIOFault(
        iova: "iova 0x0", deviceNeedsReset: reset, deviceStatus: 15, requestStatus: request, kernelMessages: messages
      ).isReported
    }
    #expect(!fault(false, "done", nil) && !fault(false, "done", []) && !fault(false, nil, []))
    #expect(fault(true, nil, nil) && fault(false, "failed", []) && fault(false, "done", ["DMAR: fault addr 0x0"]))
  }
}
