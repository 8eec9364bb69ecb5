#if Bench
import Glibc
import RingIOMMU
import RingKit
import Testing

@testable import BenchPaths

/// `ringbench viommu-server` as a process, from outside.
@Suite struct ViommuProcessTests {
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
