import RingKit
import TestTraits
import Testing

/// Carving a region into buffers.
@Suite struct RegionAllocatorTests {
  private func allocator(at base: UInt64 = 0x10000, _ bytes: Int = 16384) throws -> RegionAllocator {
    RegionAllocator(
      try MemoryRegion(at: GuestPhysicalAddress(base), byteCount: bytes, isShared: false))
  }

  @Test func alignsTheGuestAddress() throws {
    // A base that is no multiple of a page: alignment is the guest's, not ours.
    var allocator = try allocator(at: 0x10010)
    for alignment in [1, 2, 16, 64, 4096] {
      let buffer = try allocator.allocate(3, alignment: alignment)
      #expect(buffer.address.rawValue % UInt64(alignment) == 0)
      #expect(buffer.byteCount == 3)
      #expect(buffer.host.rawValue == allocator.region.hostBase.rawValue + UInt(Int(buffer.address.rawValue - 0x10010)))
    }
  }

  @Test func buffersFollowEachOther() throws {
    var allocator = try allocator()
    let first = try allocator.allocate(100)
    let second = try allocator.allocate(100)
    #expect(first.address.rawValue == 0x10000)
    #expect(second.address.rawValue == 0x10080)
    #expect(allocator.available == 16384 - 228)
  }

  @Test func handsOutTheLastByteAndNoMore() throws {
    var allocator = try allocator()
    _ = try allocator.allocate(16383, alignment: 1)
    #expect(throws: MemoryError.exhausted(requested: 2, available: 1)) { try allocator.allocate(2, alignment: 1) }
    #expect(throws: MemoryError.exhausted(requested: 1, available: 0)) { try allocator.allocate(1, alignment: 64) }
    #expect(throws: MemoryError.exhausted(requested: .max, available: 1)) {
      try allocator.allocate(.max, alignment: 1)
    }
    let last = try allocator.allocate(1, alignment: 1)
    #expect(last.address.rawValue == 0x10000 + 16383)
    #expect(allocator.available == 0)
  }

  @Test(arguments: [0, -1, 3, 65, Int.min])
  func refusesAnAlignmentThatIsNoPowerOfTwo(alignment: Int) throws {
    var allocator = try allocator()
    #expect(throws: MemoryError.invalidAlignment(alignment)) { try allocator.allocate(1, alignment: alignment) }
  }

  @Test(arguments: [0, -1, Int.min])
  func refusesNothing(byteCount: Int) throws {
    var allocator = try allocator()
    #expect(throws: MemoryError.invalidSize(byteCount)) { try allocator.allocate(byteCount) }
    #expect(allocator.available == 16384)
  }

  @Test func segmentsLieInTheirBuffer() throws {
    var allocator = try allocator()
    let buffer = try allocator.allocate(100)
    #expect(buffer.segment(at: 40, length: 60) == MemorySegment(GuestPhysicalAddress(0x10028), length: 60))
    #expect(buffer.segment(at: 100, length: 0).length == 0)
    let bytes = unsafe buffer.bytes
    #expect(bytes.count == 100)
    #expect(unsafe bytes.allSatisfy { $0 == 0 })
  }

  @Test(.afterTheOthers) func segmentOutsideItsBufferStopsTheProgram() async {
    await #expect(processExitsWith: .failure) {
      let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096, isShared: false)
      var allocator = RegionAllocator(region)
      _ = try allocator.allocate(100).segment(at: 41, length: 60)
    }
  }
}
