#if Bench
import ArgumentParser
import BenchTestSupport
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport
@testable import BenchRuns
@testable import RingBench

@Suite struct GuestTests {
  private func parse(_ line: String) throws -> GuestParameters {
    try GuestCommand.parse(line.split(separator: " ").map { String($0) }).parameters()
  }

  /// What there was, held against a setting on a ring.
  private func check(
    _ lines: [Substring], _ setting: GuestSetting, _ ring: RingLayout, device: GuestDevice = .blk,
    isTraced: Bool = false
  ) throws {
    let guest = GuestCase(setting, ring, bytes: 4096, depth: 1, device: device)
    try GuestRun.check(GuestConsole(lines), guest, isTraced: isTraced)
  }

  @Test func whatWasAskedForMustBeWhatThereWas() throws {
    try check(guestLines(), .direct, .split)
    try check(guestLines(bits: [32, 33, 34], domain: "DMA"), .forcedStrict, .packed)
    try check(guestLines(bits: [32, 33], peak: 3), .swiotlb, .split)
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
      #expect(throws: BenchError.self) { try check(lines, setting, ring) }
    }
  }

  @Test func aTracedLoadFollowsTheCountedOneWhereItWasAskedFor() throws {
    let both = guestLines(bits: [32, 33], more: guestTracedLines(peak: 3))
    // The bounce slots of the first load were not watched: watching costs instructions.
    try check(both, .swiotlb, .split, isTraced: true)
    #expect(throws: BenchError.self) { try check(both, .swiotlb, .split) }
    let one = guestLines(bits: [32, 33], peak: 3)
    #expect(throws: BenchError.self) { try check(one, .swiotlb, .split, isTraced: true) }
    // Frames are one pass, and no writes and reads.
    let frames = guestFrameLines(both)
    try check(frames, .swiotlb, .split, device: .net, isTraced: true)
    #expect(throws: BenchError.self) { try check(frames, .swiotlb, .split, isTraced: true) }
    #expect(throws: BenchError.self) { try check(both, .swiotlb, .split, device: .net, isTraced: true) }
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
    // Of a network device the symbols go to a disk of QEMU's own, and our device has none.
    let net = GuestCase(.forcedLazy, .split, bytes: 1514, depth: 1, device: .net)
    let frames = GuestCommandLine(paths: paths, parameters: parameters, accelerator: .tcg, cpu: 3).text(net)
    for part in [
      "ringbench device net --socket /d/socket --pairs 1 --once", "vhost-user,id=net,chardev=other",
      "virtio-net-pci,netdev=net", "iommu_platform=on,ats=on,bus=root", "ringkit.device=net", "ringkit.load=1,100,1514",
      "virtio-blk-pci,drive=symbols",
    ] {
      #expect(frames.contains(part), "\(part) is not in \(frames)")
    }
    // An SMMUv3 is the machine's, and only where there is to be an IOMMU.
    parameters.architecture = .arm64
    let other = GuestCommandLine(paths: paths, parameters: parameters, accelerator: .tcg, cpu: 3)
    for part in ["qemu-system-aarch64", "iommu=smmuv3", "iommu.strict=1", "console=ttyAMA0", "-cpu cortex-a57"] {
      #expect(other.text(guest).contains(part), "\(part) is not in \(other.text(guest))")
    }
    let plain = other.text(GuestCase(.direct, .split, bytes: 512, depth: 1))
    for text in [other.text(guest), plain] { #expect(!text.contains("intel") && !text.contains("x86")) }
    #expect(!plain.contains("smmu"))
    parameters.architecture = .x86
    // Under KVM nothing disturbs the times.
    parameters.functions = false
    let timed = GuestCommandLine(paths: paths, parameters: parameters, accelerator: .kvm).text(guest)
    #expect(
      !timed.contains("plugin") && !timed.contains("traced") && !timed.contains("taskset") && timed.contains("-smp 2"))
    let (end, output, _) = try ProgramRun("guest --dry-run --accel kvm --all --setting swiotlb").end()
    #expect(end == .exited(code: 0))
    // Two rings, three sizes and two frames, two depths; direct and swiotlb.
    #expect(output.split(separator: "\n").count { $0.hasPrefix("qemu-system-x86_64 ") } == 40)
  }

  @Test func directIsAlwaysTheBaseline() throws {
    #expect(try parse("--setting swiotlb").settings == [.direct, .swiotlb])
    #expect(try parse("").settings == GuestSetting.allCases && parse("").rings == [.split])
    #expect(GuestParameters.diskBytes(GuestCase(.direct, .split, bytes: 1 << 20, depth: 64)) == 4 << 30)
    #expect(try parse("--size 512,64k --threads 1 --threads 16").cases.count == 6 * GuestSetting.allCases.count)
    #expect(try parse("--all --threads 2").cases.count == 10 * GuestSetting.allCases.count)
    #expect(try parse("--device blk").cases.allSatisfy { $0.device == .blk })
    #expect(try parse("--device net,blk --frame 60,1514 --threads 1").cases.count == 3 * GuestSetting.allCases.count)
    let net = try parse("--device net").cases
    #expect(net.map(\.setting) == GuestSetting.allCases && net.allSatisfy { $0.device == .net && $0.bytes == 1514 })
    #expect(try parse("--arch arm64").architecture == .arm64)
  }

  @Test(arguments: [
    "--setting viommu", "--accel xen", "--threads 0", "--threads 65", "--requests 0", "--size 1000", "--size 2m",
    "--boot-seconds 1", "--ring round", "--boots 0", "--size 4k,4096", "--threads two", "--functions --accel kvm",
    "--device rng", "--frame 59", "--frame 1515", "--frame long", "--arch s390x", "--arch arm64 --accel kvm",
  ])
  func whatMakesNoSenseIsRefused(line: String) {
    #expect(throws: BenchError.self) { try parse(line) }
  }
}
#endif
