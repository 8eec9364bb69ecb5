import CDeny
import CRing
import Glibc
import Testing

/// A device's registers, as far as they need no device; the rest is held in a guest (Tests/Interop).
@Suite(.serialized) struct DeviceRegisterTests {
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

  /// Runs a body with the descriptor of a device that only a test knows.
  private func withDevice(_ body: (UnsafeMutablePointer<cdeny_vfio>) -> Void) {
    var device = cdeny_vfio()
    // Nothing else is asked of it that VFIO answers.
    device.fd = fcntl(0, F_DUPFD_CLOEXEC, 950)
    unsafe withUnsafeMutablePointer(to: &device) {
      unsafe cdeny_answer_vfio($0)
      unsafe body($0)
      cdeny_answer_vfio(nil)
    }
    close(device.fd)
  }

  @Test func theVectorsThatRingAreThoseConnectedLastAlsoWhereTheyAreFewerOrMore() {
    unsafe withDevice { device in
      let fd = unsafe device.pointee.fd
      for eventfds in [[], [3, 4, 5], [6], [7, 8, 9, 10], [], []] as [[Int32]] {
        #expect(unsafe cring_vfio_connect_interrupts(fd, eventfds, UInt32(eventfds.count)) == 0)
        let connected = unsafe (0..<Int(device.pointee.vectors)).map { at in
          unsafe withUnsafeBytes(of: device.pointee.eventfds) { unsafe $0.load(fromByteOffset: 4 * at, as: Int32.self) }
        }
        #expect(connected == eventfds)
      }
    }
  }

  @Test func whatIsLeftOfAnAddressSpaceIsTakenAwayHoweverMuchThatIs() {
    unsafe withDevice { device in
      let fd = unsafe device.pointee.fd
      // Nothing was there.
      #expect(cring_vfio_unmap(fd, 4096, 8192) == CRING_VFIO_NOT_THERE)
      #expect(cring_vfio_unmap_all(fd, 4096, 1 << 30) == 0)
      #expect(unsafe device.pointee.unmapped_from == 4096 && device.pointee.unmapped_bytes == 1 << 30)
    }
  }

  @Test func aDoorbellIsStoredWhole() {
    var register: UInt16 = 0
    unsafe cring_vfio_kick16(&register, 0xa55a)
    #expect(register == 0xa55a)
  }
}
