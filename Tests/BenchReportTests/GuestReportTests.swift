import BenchTestSupport
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

@Suite struct GuestReportTests {
  @Test func whatTheGuestSaysIsTakenApart() {
    let console = GuestConsole(guestLines(bits: [29, 32, 33, 34], domain: "DMA-FQ", peak: 9))
    #expect(console.kernel == "6.1.0-test" && console.hypervisor == "KVM" && console.exitCode == 0)
    #expect(console.ringFeatures == "EVENT_IDX VERSION_1 ACCESS_PLATFORM RING_PACKED")
    #expect(console.domainType == "DMA-FQ" && console.events == ["map": 7])
    #expect(console.slotsLeft == 0 && console.slotCount == 32_768 && console.failure == nil)
    #expect(console.passes.map(\.operation) == ["write", "read"])
    #expect(
      console.passes.allSatisfy { pass in
        pass.requests == 400 && LoadPass.latencyNames.map { pass.latency[$0] } == [10, 20, 30, 40, 50]
          && pass.peakSlots == 9
      })
    #expect(console.passes[0].requestsPerSecond == 200_000)
  }

  @Test func nothingOfWhatAGuestSaysReachesATerminalAsAnOrder() {
    let console = GuestConsole(
      guestLines(domain: "\u{1b}[2Jx", more: "guest: kernel a \u{9b}31m\nload: failed: b\u{7}"))
    #expect(console.domainType == "[2Jx" && console.failure == "b")
    #expect(console.faults == ["a 31m"])
  }

  @Test func aGuestThatStopsHasNoEnd() {
    #expect(GuestConsole("guest: begin 6.1, hypervisor none".split(separator: "\n")).exitCode == nil)
    #expect(GuestConsole("load: op=read requests=1".split(separator: "\n")).passes.isEmpty)
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
    #expect(GuestSetting.swiotlb.kernelWords() == ["swiotlb=force"])
    #expect(GuestSetting.swiotlb.kernelWords(.arm64) == ["swiotlb=16384,force"])
    #expect(GuestSetting.forcedStrict.kernelWords() == ["intel_iommu=on", "iommu.strict=1"])
  }

  @Test func anSMMUIsTheMachinesAndHasNoPortOfItsOwn() {
    for setting in GuestSetting.allCases {
      let devices = setting.devices(.split, chardev: "c", device: .net, architecture: .arm64)
      #expect(devices.count == 1 && devices[0].hasPrefix("virtio-net-pci,netdev=net"))
      #expect(GuestArchitecture.arm64.machine(setting).contains("smmuv3") == setting.hasIOMMU)
      #expect(!setting.kernelWords(.arm64).contains("intel_iommu=on"))
    }
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
    let boot = try GuestBoot(
      GuestCase(.direct, .split, bytes: 4096, depth: 1), console: GuestConsole(guestLines()), device: DeviceCounts(),
      count: nil, symbols: nil)
    for accelerator in [GuestAccelerator.kvm, .tcg] {
      let report = GuestReport(
        machine: .fixture, parameters: GuestParameters(), accelerator: accelerator,
        whyNotKVM: accelerator == .kvm ? nil : "no reason", boots: [boot], interrupted: false)
      let text = report.text()
      let json = try JSONText.encode(report)
      #expect(text.contains("requests/s") == (accelerator == .kvm))
      #expect(text.contains("mean nothing") == (accelerator == .tcg))
      #expect(json.contains("requestsPerSecond") == (accelerator == .kvm))
      #expect(json.contains("\"timesMeanSomething\": \(accelerator == .kvm)"))
    }
  }

  @Test func theSecondLoadIsTheTracedOne() {
    let console = GuestConsole(guestLines(more: guestTracedLines(peak: 5)))
    #expect(console.passes.map(\.requests) == [400, 400] && console.traced.map(\.requests) == [200, 200])
    #expect(console.traced.map(\.operation) == ["write", "read"] && console.traced.allSatisfy { $0.peakSlots == 5 })
  }
}
