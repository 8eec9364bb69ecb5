import CRing
import Glibc
import Testing

/// A device's registers, as far as they need no device; the rest is held in a guest (Tests/Interop).
@Suite struct DeviceRegisterTests {
  /// The device names its doorbell's offset; a store across an alignment boundary is a SIGBUS on arm64.
  @Test(arguments: [(1, 2), (3, 2), (4098, 4), (0xfff, 2)])
  func aRegisterThatIsNotAtAMultipleOfItsSizeIsNotMapped(offset: UInt64, bytes: Int) {
    var base: UnsafeMutableRawPointer?
    var (mapped, lead) = (0, 0)
    #expect(unsafe cring_vfio_map_registers(-1, offset, bytes, &base, &mapped, &lead) == EINVAL)
    #expect(unsafe cring_vfio_map_registers(-1, offset & ~3, bytes, &base, &mapped, &lead) == EBADF)
  }

  /// What the kernel is told lies in a buffer for 128 vectors.
  @Test func moreInterruptsThanThereIsRoomForAreRefused() {
    let eventfds = [Int32](repeating: -1, count: Int(CRING_VFIO_VECTORS) + 1)
    #expect(unsafe cring_vfio_connect_interrupts(-1, eventfds, UInt32(eventfds.count)) == EINVAL)
    #expect(unsafe cring_vfio_connect_interrupts(-1, eventfds, UInt32(eventfds.count - 1)) == EBADF)
    #expect(unsafe cring_vfio_connect_interrupts(-1, eventfds, 0) == EBADF)
    var count: UInt32 = 7
    #expect(unsafe cring_vfio_interrupts(-1, &count) == EBADF && count == 0)
  }

  @Test func aDoorbellIsStoredWhole() {
    var register: UInt16 = 0
    unsafe cring_vfio_kick16(&register, 0xa55a)
    #expect(register == 0xa55a)
  }
}
