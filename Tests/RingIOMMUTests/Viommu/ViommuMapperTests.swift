import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("The guest's side of viommu")
struct ViommuMapperTests {
  @Test("each map and each unmap is an invalidation and an exit; nothing is deferred")
  func counts() throws {
    let guest = try IOMMUFixture()
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    var mapper = ViommuMapper(domain: guest.domain, exit: InjectedExit(nanoseconds: 0), counter: CountedWork())
    for i in 0..<100 {
      // Two pages, one entry each.
      let (iova, mapping) = try mapper.map(guest.segment(i * 4096 + 4000, 200), .deviceReadable)
      #expect(try device.translate(iova, byteCount: 96, for: .deviceReadable).host == guest.host(i * 4096 + 4000))
      try mapper.unmap(mapping, .deviceReadable)
      #expect(throws: DMAFault.notMapped(iova)) {
        try device.translate(iova, byteCount: 1, for: .deviceReadable)
      }
    }
    let counts = mapper.work.counts
    for event in [WorkEvent.exits, .invalidations, .invalidationWaits] { #expect(counts[event] == 200) }
    #expect(counts[.maps] == 100 && counts[.unmaps] == 100 && counts[.deferredUnmaps] == 0)
    // Three tables were installed on the way.
    #expect(counts[.pageTableWrites] == 400 + 3)
  }

  @Test("an injected exit takes its time from the thread that maps, twice a buffer")
  func injected() throws {
    let guest = try IOMMUFixture()
    var mapper = ViommuMapper(
      domain: guest.domain, exit: InjectedExit(nanoseconds: 1_000_000), counter: UncountedWork())
    let clock = ContinuousClock()
    let time = try clock.measure {
      for _ in 0..<5 { try mapper.unmap(mapper.map(guest.segment(0, 64), .deviceReadable).mapping, .deviceReadable) }
    }
    // A busy wait is never shorter than asked; how much longer the machine decides.
    #expect(time > .microseconds(9_900))
  }

  @Test("the device learns from the VMM alone, once a page, and forgets with the unmap")
  func process() throws {
    let guest = try IOMMUFixture()
    let vmm = try ViommuThread()
    var device = ViommuTranslator(domain: guest.domain, client: try vmm.device(), counter: CountedWork())
    var mapper = ViommuMapper(domain: guest.domain, exit: try vmm.driver(), counter: CountedWork())
    var random = SeededGenerator(for: "viommu process")
    var live: [(offset: Int, length: Int, direction: DMADirection, iova: IOVA, mapping: IOMMUMapping)] = []
    for _ in 0..<3000 {
      if live.count < 30 && random.next() % 2 == 0 {
        let direction: DMADirection = random.next() % 2 == 0 ? .deviceReadable : .deviceWritable
        let (offset, length) = (Int(random.next() % 1_000_000), Int(random.next() % 20_000) + 1)
        let (iova, mapping) = try mapper.map(guest.segment(offset, UInt32(length)), direction)
        live.append((offset, length, direction, iova, mapping))
      } else if let at = live.indices.randomElement(using: &random) {
        let one = live[at]
        let found = try device.translate(one.iova, byteCount: UInt64(one.length), for: one.direction)
        #expect(found.host == guest.host(one.offset) && found.byteCount == UInt64(one.length))
        let other: DMADirection = one.direction == .deviceReadable ? .deviceWritable : .deviceReadable
        #expect(throws: DMAFault.notPermitted(one.iova, other)) {
          try device.translate(one.iova, byteCount: 1, for: other)
        }
        if random.next() % 2 == 0 {
          live.remove(at: at)
          try mapper.unmap(one.mapping, one.direction)
          #expect(throws: DMAFault.notMapped(one.iova)) {
            try device.translate(one.iova, byteCount: 1, for: one.direction)
          }
          #expect(throws: DMAError.notMapped(one.iova)) { try mapper.unmap(one.mapping, one.direction) }
        }
      }
    }
    for one in live { try mapper.unmap(one.mapping, one.direction) }
    let (driver, asked) = (mapper.work.counts, device.work.counts)
    #expect(driver[.exits] == driver[.maps] + driver[.unmaps] && driver[.maps] == driver[.unmaps])
    #expect(asked[.missMessages] == asked[.iotlbMisses] && asked[.missMessages] > 0 && asked[.iotlbHits] > 0)
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0)
  }

  @Test("addresses that no table reaches are not asked for")
  func beyond() throws {
    let guest = try IOMMUFixture()
    let vmm = try ViommuThread()
    var device = ViommuTranslator(domain: guest.domain, client: try vmm.device(), counter: CountedWork())
    #expect(throws: DMAFault.notMapped(IOVA(1 << 48))) {
      try device.translate(IOVA(1 << 48), byteCount: 8, for: .deviceReadable)
    }
    #expect(throws: DMAFault.addressOverflow(IOVA(.max), byteCount: 2)) {
      try device.translate(IOVA(.max), byteCount: 2, for: .deviceReadable)
    }
    #expect(device.work.counts[.missMessages] == 0)
  }

  @Test("a VMM that dies is a typed error on both sides; what was mapped stays reserved, and the device is cut off")
  func death() throws {
    let guest = try IOMMUFixture()
    let (mine, served) = try ViommuSocket.pair()
    let (devices, asked) = try ViommuSocket.pair()
    let server = ViommuServer()
    let vmm = TestThread { server.serve([(served, .driver), (asked, .device)]) }
    var device = ViommuTranslator(domain: guest.domain, client: try ViommuClient(devices), counter: CountedWork())
    var mapper = ViommuMapper(domain: guest.domain, exit: try ViommuClient(mine), counter: CountedWork())
    let (known, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    let (unknown, _) = try mapper.map(guest.segment(4096, 64), .deviceReadable)
    _ = try device.translate(known, byteCount: 64, for: .deviceReadable)
    // A message that is none ends its connection: what a dying process leaves behind.
    #expect(mine.send(UInt64(1)) == 0 && devices.send(UInt64(1)) == 0)
    vmm.join()
    #expect(throws: DMAError.custom(ViommuFailure.closed.dmaError)) {
      try mapper.map(guest.segment(8192, 64), .deviceReadable)
    }
    #expect(throws: DMAFault.custom(unknown, ViommuFailure.closed.dmaError)) {
      try device.translate(unknown, byteCount: 64, for: .deviceReadable)
    }
    #expect(throws: DMAError.custom(ViommuFailure.closed.dmaError)) { try mapper.unmap(mapping, .deviceReadable) }
    #expect(throws: DMAFault.custom(known, ViommuFailure.closed.dmaError)) {
      try device.translate(known, byteCount: 64, for: .deviceReadable)
    }
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 3)
  }

  @Test("a VMM that refuses leaves nothing behind; full tables and no addresses are told apart")
  func exhaustion() throws {
    let guest = try IOMMUFixture { $0.iovaLimit = 64 * 4096 }
    let vmm = try ViommuThread(ViommuServer(maximumTablePages: 1))
    var mapper = ViommuMapper(domain: guest.domain, exit: try vmm.driver(), counter: CountedWork())
    for _ in 0..<200 {
      #expect(throws: DMAError.custom(ViommuFailure.refused(.exhausted).dmaError)) {
        try mapper.map(guest.segment(0, 9000), .deviceReadable)
      }
    }
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0 && mapper.work.counts[.maps] == 0)
    let roomy = try ViommuThread()
    var other = ViommuMapper(domain: guest.domain, exit: try roomy.driver(), counter: UncountedWork())
    #expect(throws: DMAError.iovaExhausted(pages: 65)) { try other.map(guest.segment(0, 65 * 4096), .deviceReadable) }
    let outside = guest.segment(-1, 2)
    #expect(throws: DMAError.outOfBounds(outside)) { try other.map(outside, .deviceReadable) }
  }
}
