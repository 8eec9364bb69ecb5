#if Bench
import FoundationEssentials
import Glibc
import RingIOMMU
import RingKit
import Testing

@testable import BenchPaths

/// `ringbench viommu-server` as a process, from outside.
@Suite struct ViommuProcessTests {
  private struct Document: Decodable {
    struct Row: Decodable { let path: String? }
    let results: [Row]
  }

  private static func start(timeout: UInt64 = 120_000_000_000) throws -> ViommuProcess {
    let program = try #require(RingBenchProgram.path, "there is no ringbench beside the tests")
    return try ViommuProcess(
      executable: program,
      arguments: [
        BenchProcess.viommuServer, "--parent", "\(getpid())", "--driver-cpu", "0", "--device-cpu", "0",
      ], timeout: timeout)
  }

  @Test func buffersGoRoundByWayOfAnotherProcess() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 1 << 20)
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: try GuestMemory([region]), configuration: configuration)
    let vmm = try Self.start()
    #expect(vmm.process.end == nil)
    var device = ViommuTranslator(domain: domain, client: vmm.device, counter: CountedWork())
    var mapper = ViommuMapper(domain: domain, exit: vmm.driver, counter: CountedWork())
    for i in 0..<200 as Range<UInt64> {
      let segment = MemorySegment(GuestPhysicalAddress(1 << 30 + 4096 * i + 100), length: 64)
      let (iova, mapping) = try mapper.map(segment, .deviceWritable)
      let found = try device.translate(iova, byteCount: 64, for: .deviceWritable)
      #expect(found.host.rawValue == region.hostBase.rawValue + UInt(Int(4096 * i + 100)))
      try mapper.unmap(mapping, .deviceWritable)
      #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 64, for: .deviceWritable) }
    }
    #expect(mapper.work.counts[.exits] == 400 && device.work.counts[.missMessages] == 400)
  }

  @Test func itEndsByItselfWhenBothConnectionsHave() throws {
    let process: ChildProcess
    do {
      let vmm = try Self.start()
      process = vmm.process
      try vmm.driver.unmappedNothing()
    }
    #expect(process.wait() == .exited(code: 0))
  }

  @Test func itsDeathIsATypedErrorAtOnce() throws {
    let vmm = try Self.start()
    try vmm.driver.unmappedNothing()
    kill(vmm.process.processIdentifier, SIGKILL)
    #expect(vmm.process.wait() == .killed(signal: SIGKILL))
    #expect(throws: ViommuFailure.closed) { try vmm.driver.unmapped(IOVA(0x1000), pages: 1) }
    #expect(vmm.driver.isClosed)
  }

  /// Started by the dynamic linker, the program finds that instead of itself, and what it starts ends at once.
  @Test func aDefaultRunWithoutItLeavesThePathOut() throws {
    let linkers = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
    let linker = try #require(linkers.first { unsafe access($0, X_OK) == 0 }, "no dynamic linker is known here")
    let program = try #require(RingBenchProgram.path, "there is no ringbench beside the tests")
    let line =
      "\(program) cost --ring split --size 64 --direction device-readable --slices 2 --slice-ms 2 --time-limit 60"
    let (end, output, errors) = try ProgramRun("\(line) --format json", program: linker).end()
    #expect(end == .exited(code: 0), "\(errors)")
    #expect(errors.contains("ringbench: viommu is left out: the process that holds the translations"), "\(errors)")
    let paths = try JSONDecoder().decode(Document.self, from: Data(output.utf8)).results.compactMap(\.path)
    #expect(Set(paths).isSuperset(of: ["direct", "swiotlb", "iommu-strict", "mmu"]) && !paths.contains("viommu"))
    let asked = try ProgramRun("\(line) --path viommu", program: linker).end()
    #expect(asked.end == .exited(code: 3) && asked.output.isEmpty, "\(asked.errors)")
  }

  @Test func aProgramThatIsNotThereIsRefused() {
    #expect(throws: ViommuFailure.system(errno: ENOENT)) {
      _ = try ViommuProcess(executable: "/nowhere/at/all", arguments: [])
    }
  }
}

extension ViommuClient {
  /// A question whose answer is known, to see that the other side is there.
  fileprivate func unmappedNothing() throws {
    #expect(throws: ViommuFailure.refused(.notMapped)) { try unmapped(IOVA(0x1000), pages: 1) }
  }
}
#endif
