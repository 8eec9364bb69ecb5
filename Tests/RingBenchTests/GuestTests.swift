#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchReport
@testable import RingBench

@Suite struct GuestTests {
  private func parse(_ line: String) throws -> GuestParameters {
    try GuestCommand.parse(line.split(separator: " ").map { String($0) }).parameters()
  }

  @Test func whatWasAskedForMustBeWhatThereWas() throws {
    try GuestRun.check(GuestConsole(guestLines()), .direct, .split, "here")
    try GuestRun.check(GuestConsole(guestLines(bits: [32, 33, 34], domain: "DMA")), .forcedStrict, .packed, "here")
    try GuestRun.check(GuestConsole(guestLines(bits: [32, 33], peak: 3)), .swiotlb, .split, "here")
    let wrong: [([Substring], GuestSetting, RingLayout)] = [
      // QEMU in front of a device without packed rings, or without the platform's rules, says nothing.
      (guestLines(), .direct, .packed), (guestLines(bits: [32, 34]), .direct, .split),
      (guestLines(), .accessPlatform, .split),
      (guestLines(bits: [32, 33]), .direct, .split), (guestLines(bits: []), .direct, .split),
      // No IOMMU, or the other kind of domain.
      (guestLines(bits: [32, 33]), .forcedStrict, .split),
      (guestLines(bits: [32, 33], domain: "DMA"), .forcedLazy, .split),
      // Nothing bounced where everything must be, bounces where none must be, slots that never came back.
      (guestLines(bits: [32, 33]), .swiotlb, .split), (guestLines(peak: 1), .direct, .split),
      (guestLines(bits: [32, 33], peak: 3, left: 1), .swiotlb, .split),
      (guestLines(more: "load: failed: block 7, word 3, is not what was written"), .direct, .split),
      (guestLines(more: "guest: kernel DMAR: fault addr 0x1000"), .direct, .split),
      (
        guestLines(more: "load: op=read requests=1 bytes=1 ns=1 p50=1 p90=1 p99=1 p999=1 max=1 peak=0"), .direct, .split
      ),
    ]
    for (lines, setting, ring) in wrong {
      #expect(throws: BenchError.self) { try GuestRun.check(GuestConsole(lines), setting, ring, "here") }
    }
  }

  @Test func directIsAlwaysTheBaseline() throws {
    #expect(try parse("--setting swiotlb").settings == [.direct, .swiotlb])
    #expect(try parse("").settings == GuestSetting.allCases && parse("").rings == [.split, .packed])
    #expect(try parse("--size 1m --threads 64").diskBytes == 4 << 30)
  }

  @Test(arguments: [
    "--setting viommu", "--accel xen", "--threads 0", "--threads 65", "--requests 0", "--size 1000", "--size 2m",
    "--boot-seconds 1", "--ring round",
  ])
  func whatMakesNoSenseIsRefused(line: String) {
    #expect(throws: BenchError.self) { try parse(line) }
  }
}
#endif
