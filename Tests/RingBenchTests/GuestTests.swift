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

  @Test func aTracedLoadFollowsTheCountedOneWhereItWasAskedFor() throws {
    let both = GuestConsole(guestLines(bits: [32, 33], more: guestTracedLines(peak: 3)))
    // The bounce slots of the first load were not watched: watching costs instructions.
    try GuestRun.check(both, .swiotlb, .split, "here", isTraced: true)
    #expect(throws: BenchError.self) { try GuestRun.check(both, .swiotlb, .split, "here") }
    let one = GuestConsole(guestLines(bits: [32, 33], peak: 3))
    #expect(throws: BenchError.self) { try GuestRun.check(one, .swiotlb, .split, "here", isTraced: true) }
  }

  @Test func aDryRunNamesWhatWouldRun() throws {
    let paths = GuestPaths(kernel: "/k", initramfs: "/i", plugin: "/count.so", directory: "/d")
    var parameters = try parse("--functions --threads 16 --requests 100")
    parameters.resolve(.tcg)
    let guest = GuestCase(.forcedStrict, .packed, bytes: 512, depth: 16)
    let text = GuestCommandLine(paths: paths, parameters: parameters, accelerator: .tcg, cpu: 3).text(guest)
    for part in [
      "-accel tcg", "-smp 1", "/count.so,out=/d/count,functions=on", "packed=on", "iommu.strict=1", "nokaslr",
      // 100 requests of 16 threads are seven each.
      "ringkit.load=16,7,512", "ringkit.traced=16,7,512", "ringkit.symbols=1",
      "taskset -c 3 nice -n -20 qemu-system-x86_64",
      "taskset -c 3 chrt --batch 0 ringbench device",
      "ringbench device blk --socket /d/socket --file /d/disk --once",
    ] {
      #expect(text.contains(part), "\(part) is not in \(text)")
    }
    // Under KVM nothing disturbs the times.
    parameters.functions = false
    let timed = GuestCommandLine(paths: paths, parameters: parameters, accelerator: .kvm).text(guest)
    #expect(
      !timed.contains("plugin") && !timed.contains("traced") && !timed.contains("taskset") && timed.contains("-smp 2"))
    let (end, output, _) = try ProgramRun("guest --dry-run --accel kvm --all --setting swiotlb").end()
    #expect(end == .exited(code: 0))
    // Two rings, three sizes, two depths; direct and swiotlb.
    #expect(output.split(separator: "\n").count { $0.hasPrefix("qemu-system-x86_64 ") } == 24)
  }

  @Test func directIsAlwaysTheBaseline() throws {
    #expect(try parse("--setting swiotlb").settings == [.direct, .swiotlb])
    #expect(try parse("").settings == GuestSetting.allCases && parse("").rings == [.split])
    #expect(GuestParameters.diskBytes(GuestCase(.direct, .split, bytes: 1 << 20, depth: 64)) == 4 << 30)
    #expect(try parse("--size 512,64k --threads 1 --threads 16").cases.count == 4 * GuestSetting.allCases.count)
    #expect(try parse("--all --threads 2").cases.count == 6 * GuestSetting.allCases.count)
  }

  @Test(arguments: [
    "--setting viommu", "--accel xen", "--threads 0", "--threads 65", "--requests 0", "--size 1000", "--size 2m",
    "--boot-seconds 1", "--ring round", "--boots 0", "--size 4k,4096", "--threads two", "--functions --accel kvm",
  ])
  func whatMakesNoSenseIsRefused(line: String) {
    #expect(throws: BenchError.self) { try parse(line) }
  }
}
#endif
