import RingKit
import Testing

/// Regions: size, backing, sharing and placement.
@Suite struct MemoryRegionTests {
  @Test(arguments: [0, -1, Int.min, (1 << 46) + 1, Int.max])
  func refusesASizeNoMachineHas(byteCount: Int) {
    #expect(throws: MemoryError.invalidSize(byteCount)) {
      try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: byteCount)
    }
    #expect(throws: MemoryError.invalidSize(byteCount)) {
      try MemoryRegion(attaching: -1, byteCount: byteCount, at: GuestPhysicalAddress(0))
    }
  }

  @Test(arguments: [-1, 4095, Int.max])
  func refusesANodeThatDoesNotExist(node: Int) {
    #expect(throws: MemoryError.noSuchNode(node)) {
      try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096, node: node)
    }
  }

  @Test func onlySharedRegionsHaveADescriptor() throws {
    let shared = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 5000)
    let hidden = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 5000, isShared: false)
    #expect(shared.fileDescriptor != nil)
    #expect(hidden.fileDescriptor == nil)
    #expect(shared.byteCount == 8192)
    #expect(shared.isShared)
    #expect(shared.pageSize == .small)
    #expect(shared.hugeByteCount == 0)
  }

  @Test func pagesAreWhereTheyWereBound() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 64 * 4096, node: 0)
    #expect(region.node == 0)
    #expect(try region.pagesPerNode() == [0: 64])
  }

  @Test func saysWhatPagesItGot() throws {
    let region = try MemoryRegion(
      at: GuestPhysicalAddress(0), byteCount: 2 << 20, isShared: false, usesLargePages: true)
    #expect((region.pageSize == .small) == (region.hugeByteCount == 0))
    #expect(region.byteCount % region.pageSize.byteCount == 0)
  }

  @Test func refusesToAttachWhatIsNotSharedMemory() {
    #expect(throws: MemoryError.system(operation: "attaching 4096 bytes of shared memory", errno: 9)) {
      try MemoryRegion(attaching: -1, byteCount: 4096, at: GuestPhysicalAddress(0))
    }
    #expect(throws: MemoryError.addressOverflow(GuestPhysicalAddress(.max), byteCount: 4096)) {
      try MemoryRegion(attaching: -1, byteCount: 4096, at: GuestPhysicalAddress(.max))
    }
  }
}
