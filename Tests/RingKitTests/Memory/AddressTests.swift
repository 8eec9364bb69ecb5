import RingKit
import Testing

/// Addresses: arithmetic at the edge and how they print.
@Suite struct AddressTests {
  @Test func print() {
    #expect(GuestPhysicalAddress(0x1F00).description == "gpa 0x1f00")
    #expect(IOVA(.max).description == "iova 0xffffffffffffffff")
    #expect(
      MemoryError.outOfBounds(MemorySegment(GuestPhysicalAddress(0x1000), length: 3)).description
        == "3 bytes at gpa 0x1000 are not inside one region")
  }

  @Test func advanceStopsAtTheEndOfTheAddressSpace() {
    #expect(GuestPhysicalAddress(.max - 1).advanced(by: 1) == GuestPhysicalAddress(.max))
    #expect(GuestPhysicalAddress(.max).advanced(by: 1) == nil)
    #expect(IOVA(.max).advanced(by: 0) == IOVA(.max))
    #expect(IOVA(1).advanced(by: .max) == nil)
  }

  @Test func orderIsUnsigned() {
    #expect(GuestPhysicalAddress(1) < GuestPhysicalAddress(1 << 63))
    #expect(IOVA(1) < IOVA(1 << 63))
    #expect(IOVA(untranslated: GuestPhysicalAddress(7)) == IOVA(7))
  }
}
