import RingKit
import Testing

@testable import RingIOMMU

@Suite struct IOMMUMapperTests {
  @Test(arguments: IOMMUPolicy.allCases)
  func aSegmentIsReachedThroughItsIOVA(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: policy, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let (iova, mapping) = try mapper.map(guest.segment(5000, 100), .deviceReadable)
    #expect(iova.rawValue & 4095 == 5000 & 4095)
    #expect(iova.rawValue < guest.domain.configuration.iovaLimit)
    let found = try device.translate(iova, byteCount: 100, for: .deviceReadable)
    #expect(found.host == guest.host(5000) && found.byteCount == 100)
    let again = try device.translate(IOVA(iova.rawValue + 50), byteCount: 50, for: .deviceReadable)
    #expect(again.host == guest.host(5050) && again.byteCount == 50)
    #expect(device.work.counts[.iotlbMisses] == 1 && device.work.counts[.iotlbHits] == 1)
    // A segment of the same page has an address of its own.
    let (other, second) = try mapper.map(guest.segment(5200, 8), .deviceWritable)
    #expect(other.rawValue >> 12 != iova.rawValue >> 12)
    try mapper.unmap(mapping, .deviceReadable)
    try mapper.unmap(second, .deviceWritable)
    try mapper.flush()
    #expect(mapper.work.counts[.maps] == 2 && mapper.work.counts[.unmaps] == 2)
  }

  @Test func permissionsFollowTheDirection() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    for (mapped, refused) in [
      (DMADirection.deviceReadable, DMADirection.deviceWritable), (.deviceWritable, .deviceReadable),
    ] {
      let (iova, mapping) = try mapper.map(guest.segment(0, 64), mapped)
      // From the table first, from the IOTLB then.
      for _ in 0..<2 {
        #expect(throws: DMAFault.notPermitted(iova, refused)) {
          try device.translate(iova, byteCount: 64, for: refused)
        }
        let found = try device.translate(iova, byteCount: 64, for: mapped)
        #expect(found.host == guest.host(0))
      }
      try mapper.unmap(mapping, mapped)
    }
  }

  @Test func strictUnmapEndsEveryAccessAtOnce() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, isAuditing: true, counter: CountedWork())
    for i in 0..<1000 {
      let (iova, mapping) = try mapper.map(guest.segment(i % 500 * 4096, 4096), .deviceReadable)
      let found = try device.translate(iova, byteCount: 4096, for: .deviceReadable)
      #expect(found.host == guest.host(i % 500 * 4096))
      try mapper.unmap(mapping, .deviceReadable)
      #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 1, for: .deviceReadable) }
    }
    let counts = mapper.work.counts
    #expect(counts[.invalidations] == 1000 && counts[.invalidationWaits] == 1000)
    // One entry set and one cleared each, and three tables.
    #expect(counts[.pageTableWrites] == 2003)
    #expect(counts[.iovaFromTree] == 1 && counts[.iovaFromMagazine] == 999)
    #expect(counts[.deferredUnmaps] == 0)
    #expect(device.work.counts[.staleHits] == 0)
  }

  @Test func lazyUnmapLeavesAWindow() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, isAuditing: true, counter: CountedWork())
    let (seen, first) = try mapper.map(guest.segment(0, 64), .deviceWritable)
    let (unseen, second) = try mapper.map(guest.segment(4096, 64), .deviceWritable)
    let before = try device.translate(seen, byteCount: 64, for: .deviceWritable)
    #expect(device.work.counts[.staleHits] == 0)
    try mapper.unmap(first, .deviceWritable)
    try mapper.unmap(second, .deviceWritable)
    // The entries are cleared: only what was cached is still reached.
    let after = try device.translate(seen, byteCount: 64, for: .deviceWritable)
    #expect(after.host == before.host)
    #expect(device.work.counts[.staleHits] == 1)
    #expect(throws: DMAFault.notMapped(unseen)) { try device.translate(unseen, byteCount: 1, for: .deviceWritable) }
    // The address is not given out again before the flush.
    let (third, mapping) = try mapper.map(guest.segment(8192, 64), .deviceWritable)
    #expect(third != seen && third != unseen)
    try mapper.flush()
    #expect(throws: DMAFault.notMapped(seen)) { try device.translate(seen, byteCount: 1, for: .deviceWritable) }
    let (fourth, last) = try mapper.map(guest.segment(8192, 64), .deviceWritable)
    #expect([seen, unseen].contains(fourth))
    try mapper.unmap(mapping, .deviceWritable)
    try mapper.unmap(last, .deviceWritable)
    #expect(mapper.work.counts[.deferredUnmaps] == 4 && mapper.work.counts[.invalidations] == 1)
    try mapper.flush()
    try mapper.flush()
    #expect(mapper.work.counts[.invalidations] == 2)
  }

  @Test func lazyFlushesOnceEvery255Unmaps() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    for unmapped in 1...2551 {
      let (_, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
      try mapper.unmap(mapping, .deviceReadable)
      // The unmap that finds the ring full flushes it.
      #expect(mapper.work.counts[.invalidations] == UInt64((unmapped - 1) / 255))
    }
    let counts = mapper.work.counts
    #expect(counts[.invalidations] == 10 && counts[.invalidationWaits] == 10)
    #expect(counts[.deferredUnmaps] == 2551)
    // A new address for each until the first flush, then reuse.
    #expect(counts[.iovaFromTree] == 256)
    try mapper.flush()
  }

  @Test func theTimerFlushesWhenPolledAndWhileUnmapping() throws {
    let guest = try IOMMUFixture { $0.flushInterval = 0 }
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    let (_, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    #expect(mapper.work.counts[.invalidations] == 0)
    try mapper.poll()
    #expect(mapper.work.counts[.invalidations] == 1)
    try mapper.poll()
    #expect(mapper.work.counts[.invalidations] == 1)
    for _ in 0..<64 {
      let (_, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
      try mapper.unmap(mapping, .deviceReadable)
    }
    #expect(mapper.work.counts[.invalidations] == 5)

    let patient = try IOMMUFixture { $0.flushInterval = 3_600_000_000_000 }
    var waiting = IOMMUMapper(domain: patient.domain, policy: .lazy, counter: CountedWork())
    let (_, late) = try waiting.map(patient.segment(0, 64), .deviceReadable)
    try waiting.unmap(late, .deviceReadable)
    try waiting.poll()
    #expect(waiting.work.counts[.invalidations] == 0)
  }

  @Test func oneMappersFlushFreesWhatAnotherQueuedBefore() throws {
    let guest = try IOMMUFixture()
    var first = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    var second = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    let (_, a) = try first.map(guest.segment(0, 64), .deviceReadable)
    let (_, b) = try second.map(guest.segment(0, 64), .deviceReadable)
    try first.unmap(a, .deviceReadable)
    try second.unmap(b, .deviceReadable)
    try first.flush()
    // Nothing is left that would need a second flush.
    try second.flush()
    #expect(first.work.counts[.invalidations] == 1 && second.work.counts[.invalidations] == 0)
  }

  @Test func aFlushCountsAlthoughAnotherIsUnderWay() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    // Another mapper's flush has begun and never finishes here.
    let counts = unsafe SharedMemory(HostAddress(guest.domain.core.flushCounts), byteCount: 256)
    counts.store64(1, 0)
    for _ in 0..<600 {
      let (_, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
      try mapper.unmap(mapping, .deviceReadable)
    }
    try mapper.flush()
    #expect(mapper.work.counts[.invalidations] == 3)
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0)
  }

  @Test func aFlushFreesOnlyWhatWasQueuedBeforeItBegan() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    let counts = unsafe SharedMemory(HostAddress(guest.domain.core.flushCounts), byteCount: 256)
    var addresses: [IOVA] = []
    func mapAndUnmap() throws {
      let (iova, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
      addresses.append(iova)
      try mapper.unmap(mapping, .deviceReadable)
    }
    // Another mapper's flush begins between the first unmap and the second, and finishes.
    try mapAndUnmap()
    counts.store64(1, 0)
    try mapAndUnmap()
    counts.store64(1, 128)
    try mapAndUnmap()
    try mapAndUnmap()
    try mapAndUnmap()
    #expect(addresses[3] == addresses[0])
    #expect(Set(addresses).count == 4)
    try mapper.flush()
  }

  @Test func theTimerStartsAgainWithTheNextUnmap() throws {
    let interval = Duration.milliseconds(300)
    let guest = try IOMMUFixture { $0.flushInterval = 300_000_000 }
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    let clock = ContinuousClock()
    let start = clock.now
    let (_, first) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    try mapper.unmap(first, .deviceReadable)
    while clock.now < start + interval * 1.1 { try mapper.poll() }
    #expect(mapper.work.counts[.invalidations] == 1)
    let (_, second) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    try mapper.unmap(second, .deviceReadable)
    try mapper.poll()
    #expect(mapper.work.counts[.invalidations] == 1)
    try mapper.flush()
  }

  @Test func pagesAreJoinedWhileTheyAreContiguous() throws {
    let guest = try IOMMUFixture(pages: 1024)
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let (iova, mapping) = try mapper.map(guest.segment(100, 3 * 4096), .deviceReadable)
    let whole = try device.translate(iova, byteCount: 3 * 4096, for: .deviceReadable)
    #expect(whole.host == guest.host(100) && whole.byteCount == 3 * 4096)
    #expect(device.work.counts[.iotlbMisses] == 4)
    // Beyond the mapping: what there is comes back, then the fault.
    let end = try device.translate(iova, byteCount: 5 * 4096, for: .deviceReadable)
    #expect(end.byteCount == 4 * 4096 - 100)
    let beyond = IOVA(iova.rawValue + end.byteCount)
    #expect(throws: DMAFault.self) { try device.translate(beyond, byteCount: 1, for: .deviceReadable) }
    // The same out of the IOTLB, from inside the last page.
    let tail = try device.translate(
      IOVA(iova.rawValue + end.byteCount - 96), byteCount: 200, for: .deviceReadable)
    #expect(tail.byteCount == 96)
    try mapper.unmap(mapping, .deviceReadable)
    #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 9000, for: .deviceReadable) }
  }

  @Test func neighboursThatAreNotContiguousAreNotJoined() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    // Addresses are given out downwards.
    let (upper, second) = try mapper.map(guest.segment(0, 4096), .deviceReadable)
    let (lower, first) = try mapper.map(guest.segment(40_960, 4096), .deviceReadable)
    #expect(lower.rawValue + 4096 == upper.rawValue)
    let found = try device.translate(lower, byteCount: 8192, for: .deviceReadable)
    #expect(found.host == guest.host(40_960) && found.byteCount == 4096)
    try mapper.unmap(first, .deviceReadable)
    try mapper.unmap(second, .deviceReadable)
  }

  @Test func largeLeavesServeLargeSegments() throws {
    let guest = try IOMMUFixture(pages: 2048)
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, isAuditing: true, counter: CountedWork())
    let (iova, mapping) = try mapper.map(guest.segment(0, 4 << 20), .deviceReadable)
    // Two tables and two leaves.
    #expect(mapper.work.counts[.pageTableWrites] == 4)
    let whole = try device.translate(iova, byteCount: 4 << 20, for: .deviceReadable)
    #expect(whole.host == guest.host(0) && whole.byteCount == 4 << 20)
    let part = try device.translate(IOVA(iova.rawValue + 3_000_001), byteCount: 5000, for: .deviceReadable)
    #expect(part.host == guest.host(3_000_001) && part.byteCount == 5000)
    #expect(device.work.counts[.iotlbMisses] == 2 && device.work.counts[.iotlbHits] == 1)
    // Out of the IOTLB, over the end of the last leaf.
    let last = IOVA(iova.rawValue + (4 << 20) - 4096)
    let tail = try device.translate(last, byteCount: 8192, for: .deviceReadable)
    #expect(tail.host == guest.host((4 << 20) - 4096) && tail.byteCount == 4096)
    #expect(device.work.counts[.staleHits] == 0)
    try mapper.unmap(mapping, .deviceReadable)
    for offset in [0, 3_000_001] as [UInt64] {
      #expect(throws: DMAFault.notMapped(IOVA(iova.rawValue + offset))) {
        try device.translate(IOVA(iova.rawValue + offset), byteCount: 1, for: .deviceReadable)
      }
    }
  }

  @Test func whatIsNotGuestMemoryIsRefused() throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    for segment in [
      guest.segment(0, 0), guest.segment(-1, 8), guest.segment(1024 * 4096 - 4, 8),
      MemorySegment(GuestPhysicalAddress(.max), length: .max),
    ] {
      #expect(throws: (any Error).self) { try mapper.map(segment, .deviceReadable) }
    }
    #expect(throws: DMAError.outOfBounds(guest.segment(-1, 8))) {
      try mapper.map(guest.segment(-1, 8), .deviceReadable)
    }
    #expect(guest.domain.rangesInUse == 0)
    // Private memory can be mapped, and is still out of the device's reach.
    let secret = MemorySegment(GuestPhysicalAddress(1 << 40), length: 16)
    let (iova, mapping) = try mapper.map(secret, .deviceReadable)
    #expect(throws: DMAFault.badTarget(iova, secret.address)) {
      try device.translate(iova, byteCount: 16, for: .deviceReadable)
    }
    try mapper.unmap(mapping, .deviceReadable)
    // Addresses a driver never made.
    for raw in [0, 0xfff, 1 << 47, 1 << 48, iova.rawValue | 1 << 60, .max] as [UInt64] {
      #expect(throws: DMAFault.notMapped(IOVA(raw))) {
        try device.translate(IOVA(raw), byteCount: 1, for: .deviceReadable)
      }
    }
    #expect(throws: DMAFault.addressOverflow(IOVA(.max), byteCount: 2)) {
      try device.translate(IOVA(.max), byteCount: 2, for: .deviceReadable)
    }
  }

  @Test func aRegionThatEndsInsideAPage() throws {
    // Not on a page boundary: the device must not reach the page's other bytes.
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0800), byteCount: 4096)
    let memory = try GuestMemory([region])
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: domain, counter: CountedWork())
    let (iova, _) = try mapper.map(MemorySegment(region.guestBase, length: 4096), .deviceReadable)
    let found = try device.translate(iova, byteCount: 8192, for: .deviceReadable)
    #expect(found.host == region.hostBase && found.byteCount == 4096)
    #expect(throws: DMAFault.self) {
      try device.translate(IOVA(iova.rawValue - 1), byteCount: 1, for: .deviceReadable)
    }
  }

  @Test(arguments: IOMMUPolicy.allCases)
  func unmappingTwiceIsRefused(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture()
    var mapper = IOMMUMapper(domain: guest.domain, policy: policy, counter: CountedWork())
    let (iova, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    #expect(throws: DMAError.notMapped(iova)) { try mapper.unmap(mapping, .deviceReadable) }
    let never = IOMMUMapper<CountedWork>.unmapped
    #expect(throws: DMAError.notMapped(IOVA(0))) { try mapper.unmap(never, .deviceReadable) }
    #expect(mapper.work.counts[.unmaps] == 1)
    try mapper.flush()
  }

  @Test func failuresLeaveNoRangeBehind() throws {
    let guest = try IOMMUFixture {
      $0.iovaLimit = 8 * 4096
      $0.maximumTablePages = 3
    }
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    #expect(throws: DMAError.iovaExhausted(pages: 9)) { try mapper.map(guest.segment(0, 9 * 4096), .deviceReadable) }
    for _ in 0..<20 {
      #expect(throws: DMAError.pageTableExhausted) { try mapper.map(guest.segment(0, 64), .deviceReadable) }
    }
    #expect(mapper.work.counts[.maps] == 0)
    #expect(guest.domain.rangesInUse == 1)
  }

  @Test("what a device cached of a map that failed half-way does not outlive it", arguments: IOMMUPolicy.allCases)
  func aFailedMapIsForgotten(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture {
      // Ranges of 600 and of 512 pages both start at page 1024; one lowest table is there for them, not two.
      $0.iovaLimit = 1700 * 4096
      $0.maximumTablePages = 4
    }
    var mapper = IOMMUMapper(domain: guest.domain, policy: policy, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let first = IOVA(1024 << 12)
    // Stands for a device that looks at the address while the map is under way; there is no moment to do it here.
    device.iotlb.insert(first.rawValue, UInt64(guest.host(4096).rawValue) | PageTableEntry.permissionMask)
    #expect(throws: DMAError.pageTableExhausted) {
      try mapper.map(guest.segment(4096, 600 * 4096), .deviceWritable)
    }
    #expect(guest.domain.rangesInUse == 0)
    let (iova, mapping) = try mapper.map(guest.segment(8192, 512 * 4096), .deviceReadable)
    #expect(iova == first)
    let found = try device.translate(iova, byteCount: 64, for: .deviceReadable)
    #expect(found.host == guest.host(8192))
    try mapper.unmap(mapping, .deviceReadable)
    try mapper.flush()
  }

  @Test func aSegmentThatEndsBeyondWhatAnEntryHoldsIsRefused() throws {
    let top: UInt64 = 1 << 52
    let region = try MemoryRegion(at: GuestPhysicalAddress(top - 4096), byteCount: 8192)
    let domain = IOMMUDomain(memory: try GuestMemory([region]))
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork())
    let across = MemorySegment(GuestPhysicalAddress(top - 64), length: 128)
    #expect(throws: DMAError.beyondMask(across, limit: top - 1)) { try mapper.map(across, .deviceWritable) }
    let last = MemorySegment(GuestPhysicalAddress(top - 64), length: 64)
    let (_, mapping) = try mapper.map(last, .deviceWritable)
    try mapper.unmap(mapping, .deviceWritable)
  }

  @Test func aTimedOutRangeIsNotReused() throws {
    let guest = try IOMMUFixture {
      $0.servedBy = .deviceThread
      $0.invalidationTimeout = 1_000_000
    }
    var mapper = IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork())
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let (iova, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    _ = try device.translate(iova, byteCount: 64, for: .deviceReadable)
    #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) {
      try mapper.unmap(mapping, .deviceReadable)
    }
    let (next, _) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    #expect(next != iova)
    device.service()
    #expect(throws: DMAFault.notMapped(iova)) { try device.translate(iova, byteCount: 1, for: .deviceReadable) }
  }
}
