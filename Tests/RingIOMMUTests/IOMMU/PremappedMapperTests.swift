import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct PremappedMapperTests {
  @Test(arguments: [false, true])
  func everySegmentOfARegionIsReached(largePages: Bool) throws {
    let guest = try IOMMUFixture(pages: 1300)
    var mapper = try PremappedMapper(
      guest.regions[1], domain: guest.domain, largePages: largePages, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    // 1,300 pages that begin 276 pages into a 2 MiB page: 236 small ones, 2 leaves of 2 MiB, 40 small ones.
    let tables: UInt64 = largePages ? 2 + 2 : 2 + 3
    #expect(mapper.work.counts[.pageTableWrites] == tables + (largePages ? 236 + 2 + 40 : 1300))
    let setUp = mapper.work.counts
    var random = SeededGenerator(seed: 5)
    let size = guest.regions[1].byteCount
    for _ in 0..<2000 {
      let offset = Int.random(in: 0..<size, using: &random)
      let length = Int.random(in: 1...min(size - offset, 9000), using: &random)
      let address = GuestPhysicalAddress(guest.regions[1].guestBase.rawValue + UInt64(offset))
      let iova = try mapper.map(MemorySegment(address, length: UInt32(length)), .deviceWritable).address
      for access in DMADirection.allCases {
        let found = try device.translate(iova, byteCount: UInt64(length), for: access)
        #expect(
          found.host.rawValue == guest.regions[1].hostBase.rawValue + UInt(offset) && found.byteCount == UInt64(length))
      }
      try mapper.unmap(PremappedMapper<CountedWork>.unmapped, .deviceWritable)
    }
    #expect(mapper.work.counts == setUp)
  }

  @Test func onlyWhatWasMappedBeforehand() throws {
    let guest = try IOMMUFixture()
    var carve = RegionAllocator(guest.regions[0])
    let first = try carve.allocate(10_000)
    _ = try carve.allocate(100)
    let second = try carve.allocate(50, alignment: 4096)
    var mapper = try PremappedMapper([first, second], domain: guest.domain, counter: CountedWork())
    let (a, _) = try mapper.map(first.segment(length: 10_000), .deviceReadable)
    let (b, _) = try mapper.map(second.segment(at: 49, length: 1), .deviceReadable)
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let found = try device.translate(b, byteCount: 1, for: .deviceReadable)
    #expect(found.host.rawValue == second.host.rawValue + UInt(49))
    let start = first.address.rawValue
    for segment in [
      MemorySegment(first.address, length: 10_001), MemorySegment(GuestPhysicalAddress(start - 1), length: 2),
      MemorySegment(GuestPhysicalAddress(start + 10_000), length: 1), MemorySegment(first.address, length: .max),
      MemorySegment(GuestPhysicalAddress(.max), length: 1),
      MemorySegment(GuestPhysicalAddress(second.address.rawValue + 49), length: 2),
    ] {
      #expect(throws: DMAError.notPremapped(segment)) { try mapper.map(segment, .deviceReadable) }
    }
    let empty = MemorySegment(first.address, length: 0)
    #expect(throws: DMAError.outOfBounds(empty)) { try mapper.map(empty, .deviceReadable) }
    try mapper.release()
    #expect(throws: DMAError.notPremapped(first.segment(length: 1))) {
      try mapper.map(first.segment(length: 1), .deviceReadable)
    }
    for iova in [a, b] {
      #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 1, for: .deviceReadable) }
    }
    #expect(mapper.work.counts[.maps] == 2 && mapper.work.counts[.unmaps] == 2)
  }

  @Test func deinitUnmaps() throws {
    let guest = try IOMMUFixture()
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    var iova = IOVA(0)
    do {
      var mapper = try PremappedMapper(guest.regions[0], domain: guest.domain, counter: UncountedWork())
      iova = try mapper.map(guest.segment(0, 64), .deviceReadable).address
      _ = try device.translate(iova, byteCount: 64, for: .deviceReadable)
    }
    #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 64, for: .deviceReadable) }
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0)
  }

  @Test func aFailedInitLeavesNothingMapped() throws {
    let guest = try IOMMUFixture { $0.iovaLimit = 64 * 4096 }
    var carve = RegionAllocator(guest.regions[0])
    let fits = try carve.allocate(16 * 4096)
    let doesNot = try carve.allocate(60 * 4096)
    do {
      _ = try PremappedMapper([fits, doesNot], domain: guest.domain, counter: UncountedWork())
      Issue.record("mapped more than there are addresses")
    } catch {
      #expect(error == .iovaExhausted(pages: 60))
    }
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0)
  }
}
