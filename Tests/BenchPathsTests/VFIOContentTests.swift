import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite struct VFIOContentTests {
  /// A block that holds another block's pattern, or a changed word, must not pass for the right one.
  @Test func aWrongWordIsFound() throws {
    var parameters = VFIOParameters()
    parameters.overwrite = true
    let content = VFIOContent(parameters, sectorCount: 1 << 16)
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: parameters.blockBytes)
    let memory = unsafe SharedMemory(region.hostBase, byteCount: parameters.blockBytes)
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
