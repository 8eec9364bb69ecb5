import Testing

@testable import RingPlatform

/// What can be said of VFIO on any machine; the rest is held in a guest with an emulated IOMMU (Tests/Interop).
@Suite struct VFIODeviceTests {
  @Test(arguments: ["", "3", "0000:00:03", "0000:00:03.0/", "../../../../tmp", "0000:00:03.0\n", "ffff:ff:1f.7"])
  func anAddressThatNamesNoDeviceIsRefusedByName(address: String) {
    #expect(throws: VFIOError.noSuchDevice(address)) { try VFIODevice(address: address) }
  }

  @Test func eachRefusalSaysWhatWouldHelp() {
    let refusals: [(VFIOError, String)] = [
      (.noSuchDevice("x"), "lspci"), (.noIOMMU("x"), "intel_iommu=on"), (.unavailable(errno: 2), "modprobe"),
      (.noSuitableIOMMU, "modprobe"), (.groupUnavailable(group: 3, errno: 2), "vfio-pci"),
      (.groupNotViable(group: 3), "vfio-pci"), (.refused(group: 3, errno: 1), "log"),
      (.interrupts(errno: 22), "polled"),
    ]
    for (refusal, help) in refusals { #expect(refusal.description.contains(help)) }
  }

  /// A region's number or a register's size: what the kernel cannot be asked for is as if it had refused.
  @Test func whatIsNoNumberForTheKernelIsRefusedAsItWould() throws {
    for value in [-1, .min, 1 << 32, .max] {
      #expect(throws: VFIOError.registers(errno: 22)) { _ = try VFIODevice.number(value) }
    }
    #expect(try VFIODevice.number(7) == 7)
  }
}
