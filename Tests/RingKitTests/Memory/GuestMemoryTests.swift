import RingKit
import Testing

/// Guest memory: overlap, bounds at every edge, and which process sees what.
@Suite struct GuestMemoryTests {
  private func region(_ base: UInt64, _ bytes: Int = 8192, _ isShared: Bool = false) throws -> MemoryRegion {
    try MemoryRegion(at: GuestPhysicalAddress(base), byteCount: bytes, isShared: isShared)
  }

  @Test func refusesRegionsThatOverlap() throws {
    let first = try region(0x10000)
    for base: UInt64 in [0x10000, 0x11000, 0x11FFF] {
      let second = try region(base)
      #expect(throws: MemoryError.overlap(GuestPhysicalAddress(base))) { try GuestMemory([first, second]) }
      #expect(throws: MemoryError.overlap(GuestPhysicalAddress(base))) { try GuestMemory([second, first]) }
    }
    let below = try region(0xF000)
    #expect(throws: MemoryError.overlap(GuestPhysicalAddress(0x10000))) { try GuestMemory([first, below]) }
  }

  @Test func acceptsRegionsThatTouch() throws {
    let memory = try GuestMemory([try region(0x12000), try region(0x10000), try region(0xE000)])
    #expect(memory.regions.map(\.guestBase.rawValue) == [0xE000, 0x10000, 0x12000])
  }

  @Test func translatesUpToTheLastByteAndNoFurther() throws {
    let low = try region(0x10000)
    let high = try region(0x12000)
    let memory = try GuestMemory([low, high])
    func translate(_ address: UInt64, _ length: UInt32) throws(MemoryError) -> HostAddress {
      try memory.translate(MemorySegment(GuestPhysicalAddress(address), length: length))
    }
    #expect(try translate(0x10000, 8192) == low.hostBase)
    #expect(try translate(0x11FFF, 1).rawValue == low.hostBase.rawValue + UInt(8191))
    #expect(try translate(0x12000, 1) == high.hostBase)
    #expect(try translate(0x13FFF, 1).rawValue == high.hostBase.rawValue + UInt(8191))
    // The address after the last, the byte before the first, one byte too many, and a run across two regions that touch
    // for the guest but not here.
    for (address, length): (UInt64, UInt32) in [
      (0x14000, 1), (0xFFFF, 1), (0xFFFF, 2), (0x10000, 8193), (0x11FFF, 2), (0x13000, .max), (0, 1), (.max, 1),
      (.max, .max), (0x14000, 0),
    ] {
      let segment = MemorySegment(GuestPhysicalAddress(address), length: length)
      #expect(throws: MemoryError.outOfBounds(segment)) { try memory.translate(segment) }
    }
  }

  @Test func translatesAtTheEndOfTheAddressSpace() throws {
    let top = try region(.max - 8191)
    let memory = try GuestMemory([top])
    #expect(
      memory.driverTable.translate(GuestPhysicalAddress(.max), length: 1)?.rawValue == top.hostBase.rawValue
        + UInt(8191))
    #expect(memory.driverTable.translate(GuestPhysicalAddress(.max - 8191), length: 8192) == top.hostBase)
    // Lengths whose sum with the address wraps past 0.
    for length: UInt64 in [2, 8192, 1 << 63, .max] {
      #expect(memory.driverTable.translate(GuestPhysicalAddress(.max), length: length) == nil)
    }
    #expect(memory.driverTable.translate(GuestPhysicalAddress(0), length: 1) == nil)
    #expect(memory.driverTable.contiguous(from: GuestPhysicalAddress(.max))?.byteCount == 1)
  }

  @Test func refusesARegionThatEndsBeyondTheAddressSpace() {
    #expect(throws: MemoryError.addressOverflow(GuestPhysicalAddress(.max - 4095), byteCount: 4097)) {
      try MemoryRegion(at: GuestPhysicalAddress(.max - 4095), byteCount: 4097)
    }
    #expect(throws: MemoryError.addressOverflow(GuestPhysicalAddress(.max), byteCount: 1)) {
      try MemoryRegion(at: GuestPhysicalAddress(.max), byteCount: 1)
    }
  }

  @Test func tellsHowFarARegionGoes() throws {
    let only = try region(0x10000)
    let memory = try GuestMemory([only])
    let found = try #require(memory.driverTable.contiguous(from: GuestPhysicalAddress(0x10FFF)))
    #expect(found.host.rawValue == only.hostBase.rawValue + UInt(0xFFF))
    #expect(found.byteCount == 4097)
    #expect(memory.driverTable.contiguous(from: GuestPhysicalAddress(0x12000)) == nil)
    #expect(memory.driverTable.contiguous(from: GuestPhysicalAddress(0xFFFF)) == nil)
  }

  @Test func showsADeviceSharedRegionsOnly() throws {
    let open = try region(0x10000, 4096, true)
    let closed = try region(0x20000, 4096, false)
    let memory = try GuestMemory([open, closed])
    for address: UInt64 in [0x10000, 0x20000] {
      #expect(memory.driverTable.translate(GuestPhysicalAddress(address), length: 4096) != nil)
    }
    #expect(memory.deviceTable.translate(GuestPhysicalAddress(0x10000), length: 4096) == open.hostBase)
    #expect(memory.deviceTable.translate(GuestPhysicalAddress(0x20000), length: 1) == nil)
    #expect(memory.deviceTable.contiguous(from: GuestPhysicalAddress(0x20000)) == nil)
  }

  @Test func emptyMemoryTranslatesNothing() throws {
    let memory = try GuestMemory([])
    #expect(memory.driverTable.translate(GuestPhysicalAddress(0), length: 1) == nil)
    #expect(memory.deviceTable.contiguous(from: GuestPhysicalAddress(0)) == nil)
  }
}
