import ArgumentParser
import RingKit
import Testing

@testable import RingBench

@Suite struct GuestTests {
  private func parse(_ line: String) throws -> GuestParameters {
    try GuestOptions.parse(line.split(separator: " ").map { String($0) }).parameters()
  }

  /// What a guest says, with one thing of it changed.
  private func console(
    bits: Set<Int> = [28, 29, 32], domain: String = "none", peak: Int = 0, left: Int = 0, more: String = ""
  ) -> GuestConsole {
    let features = String((0..<64).map { bits.contains($0) ? "1" : "0" })
    let pass = "bytes=4096 ns=2000000 p50=10 p90=20 p99=30 p999=40 max=50 peak=\(peak)"
    let text = """
      [    0.0] something of the kernel's
      guest: begin 6.1.0-test, hypervisor KVM
      guest: features \(features)
      guest: iommu \(domain)
      load: op=write requests=400 \(pass)
      load: op=read requests=400 \(pass)
      guest: event map 7
      guest: io_tlb_used \(left) of 32768
      \(more)
      guest: exit 0
      """
    return GuestConsole(text.split(separator: "\n"))
  }

  @Test func whatTheGuestSaysIsTakenApart() {
    let console = console(bits: [29, 32, 33, 34], domain: "DMA-FQ", peak: 9)
    #expect(console.kernel == "6.1.0-test" && console.hypervisor == "KVM" && console.exitCode == 0)
    #expect(console.ringFeatures == "EVENT_IDX VERSION_1 ACCESS_PLATFORM RING_PACKED")
    #expect(console.domainType == "DMA-FQ" && console.events == ["map": 7])
    #expect(console.slotsLeft == 0 && console.slotCount == 32_768 && console.failure == nil)
    #expect(console.passes.map(\.operation) == ["write", "read"])
    #expect(
      console.passes.allSatisfy { $0.requests == 400 && $0.latency == [10, 20, 30, 40, 50] && $0.peakSlots == 9 })
    #expect(console.passes[0].requestsPerSecond == 200_000)
  }

  @Test func aGuestThatStopsHasNoEnd() {
    #expect(GuestConsole("guest: begin 6.1, hypervisor none".split(separator: "\n")).exitCode == nil)
    #expect(GuestConsole("load: op=read requests=1".split(separator: "\n")).passes.isEmpty)
  }

  @Test func whatWasAskedForMustBeWhatThereWas() throws {
    try GuestRun.check(console(), .direct, .split, "here")
    try GuestRun.check(console(bits: [32, 33, 34], domain: "DMA"), .forcedStrict, .packed, "here")
    try GuestRun.check(console(bits: [32, 33], peak: 3), .swiotlb, .split, "here")
    let wrong: [(GuestConsole, GuestSetting, RingLayout)] = [
      // QEMU in front of a device without packed rings, or without the platform's rules, says nothing.
      (console(), .direct, .packed), (console(bits: [32, 34]), .direct, .split), (console(), .accessPlatform, .split),
      (console(bits: [32, 33]), .direct, .split), (console(bits: []), .direct, .split),
      // No IOMMU, or the other kind of domain.
      (console(bits: [32, 33]), .forcedStrict, .split), (console(bits: [32, 33], domain: "DMA"), .forcedLazy, .split),
      // Nothing bounced where everything must be, bounces where none must be, slots that never came back.
      (console(bits: [32, 33]), .swiotlb, .split), (console(peak: 1), .direct, .split),
      (console(bits: [32, 33], peak: 3, left: 1), .swiotlb, .split),
      (console(more: "load: failed: block 7, word 3, is not what was written"), .direct, .split),
      (console(more: "guest: kernel DMAR: fault addr 0x1000"), .direct, .split),
      (console(more: "load: op=read requests=1 bytes=1 ns=1 p50=1 p90=1 p99=1 p999=1 max=1 peak=0"), .direct, .split),
    ]
    for (console, setting, ring) in wrong {
      #expect(throws: BenchError.self) { try GuestRun.check(console, setting, ring, "here") }
    }
  }

  @Test func eachSettingPutsTheGuestWhereItsNameSays() {
    #expect(GuestSetting.direct.devices(.split, chardev: "c").count == 1)
    #expect(GuestSetting.direct.devices(.packed, chardev: "c")[0].contains("packed=on,iommu_platform=off"))
    for setting in GuestSetting.allCases where setting != .direct {
      #expect(setting.devices(.split, chardev: "c").last?.contains("packed=off,iommu_platform=on") == true)
    }
    // Without these invalidations never reach a vhost-user device.
    for setting in [GuestSetting.forcedStrict, .forcedLazy] {
      let devices = setting.devices(.split, chardev: "c")
      #expect(devices[0].contains("device-iotlb=on") && devices[1].hasPrefix("pcie-root-port"))
      #expect(devices[2].contains("ats=on,bus=root"))
    }
    #expect(GuestSetting.swiotlb.kernelWords == ["swiotlb=force"])
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

  @Test func theDevicesReportIsFoundAmongOtherLines() throws {
    let report = """
      ringbench: waiting at /a/{socket}
      {
        "buffers" : 800, "did" : { "requests done" : 800 }, "iotlbHits" : 9, "iotlbInvalidations" : 3,
        "iotlbMisses" : 2, "iotlbUpdates" : 2, "notifications" : 5, "notificationsSuppressed" : 795
      }

      """
    let counts = try #require(DeviceCounts(in: report))
    #expect(counts.buffers == 800 && counts.iotlbMisses == 2 && counts.iotlbInvalidations == 3)
    #expect(counts.notifications == 5 && counts.iotlbHits == 9)
    #expect(DeviceCounts(in: "ringbench: waiting at /a\n") == nil && DeviceCounts(in: "}{\n") == nil)
  }

  @Test func timesAreGivenUnderKVMAlone() throws {
    let row = GuestRow(setting: .direct, ring: .split, console: console(), device: DeviceCounts())
    for accelerator in [GuestAccelerator.kvm, .tcg] {
      let report = GuestReport(
        machine: .fixture, parameters: try parse(""), accelerator: accelerator,
        whyNotKVM: accelerator == .kvm ? nil : "no reason", rows: [row], interrupted: false)
      let text = GuestText(report).render()
      let json = try JSONText.encode(report)
      #expect(text.contains("requests/s") == (accelerator == .kvm))
      #expect(text.contains("mean nothing") == (accelerator == .tcg))
      #expect(json.contains("requestsPerSecond") == (accelerator == .kvm))
      #expect(json.contains("\"timesMeanSomething\" : \(accelerator == .kvm)"))
    }
  }
}
