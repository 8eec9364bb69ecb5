import RingKit
import RingPlatform
import Testing

@Suite struct FeatureNameTests {
  @Test func bitsHaveTheNamesOfTheirDevice() {
    let bits = VirtioFeatures(rawValue: 1 << 2 | 1 << 6 | 1 << 9 | 1 << 32)
    #expect(DeviceKind.block.featureNames(bits) == "SEG_MAX BLK_SIZE FLUSH VERSION_1")
    #expect(DeviceKind.network.featureNames(bits) == "CTRL_GUEST_OFFLOADS GSO GUEST_ECN VERSION_1")
    #expect(DeviceKind.entropy.featureNames(bits) == "VERSION_1 bit 2 bit 6 bit 9")
    #expect(DeviceKind.network.featureNames(VirtioFeatures(rawValue: 1 << 15 | 1 << 22)) == "MRG_RXBUF MQ")
    #expect(DeviceKind.block.featureNames([]) == "none")
  }
}
