import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("Several buffers to one mapping")
struct FragmentMapperTests {
  private func buffer(_ guest: IOMMUFixture, _ offset: Int, _ count: Int) throws -> GuestBuffer {
    var carve = RegionAllocator(guest.regions[0])
    return try carve.allocate(guest.regions[0].byteCount).slice(at: offset, byteCount: count)
  }

  @Test("n buffers of a page are mapped once, and unmapped with the last", arguments: IOMMUPolicy.allCases)
  func once(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture()
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    var mapper = FragmentMapper(
      IOMMUMapper(domain: guest.domain, policy: policy, counter: CountedWork()), [try buffer(guest, 0, 65_536)],
      fragmentByteCount: 4096)
    let mappings = try (0..<16).map { try mapper.map(guest.segment(8192 + 256 * $0, 256), .deviceWritable) }
    #expect(mapper.work.counts[.maps] == 1 && mapper.work.counts[.mergedMaps] == 15)
    for (i, one) in mappings.enumerated() {
      #expect(one.address.rawValue == mappings[0].address.rawValue + UInt64(256 * i))
      #expect(
        try device.translate(one.address, byteCount: 256, for: .deviceWritable).host == guest.host(8192 + 256 * i))
      // The other direction is another mapping.
      #expect(throws: DMAFault.notPermitted(one.address, .deviceReadable)) {
        try device.translate(one.address, byteCount: 1, for: .deviceReadable)
      }
    }
    for (i, one) in mappings.enumerated() {
      #expect(mapper.work.counts[.unmaps] == 0, "\(i) of 16 are back")
      try mapper.unmap(one.mapping, .deviceWritable)
    }
    #expect(mapper.work.counts[.unmaps] == 1)
    try mapper.flush()
    #expect(throws: DMAFault.notMapped(mappings[3].address)) {
      try device.translate(mappings[3].address, byteCount: 1, for: .deviceWritable)
    }
    #expect(throws: DMAError.notMapped(mappings[0].address)) { try mapper.unmap(mappings[3].mapping, .deviceWritable) }
    #expect(mapper.work.counts[.invalidations] == 1)
  }

  @Test("maps as a set of counted fragments would", arguments: [4096, 32_768, 2 << 20])
  func model(fragment: Int) throws {
    let guest = try IOMMUFixture(pages: 1100)
    // Neither begins nor ends with a fragment.
    let pool = try buffer(guest, 1000, 4_000_000)
    var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    var mapper = FragmentMapper(
      IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork()), [pool], fragmentByteCount: fragment)
    var random = SeededGenerator(for: "fragments of \(fragment)")
    struct Key: Hashable {
      let fragment: Int
      let direction: DMADirection
    }
    var users: [Key: Int] = [:]
    var (maps, merged): (UInt64, UInt64) = (0, 0)
    var live:
      [(offset: Int, length: Int, direction: DMADirection, iova: IOVA, mapping: FragmentMapping<IOMMUMapping>)] = []
    func key(_ offset: Int, _ length: Int, _ direction: DMADirection) -> Key? {
      let base = Int(IOMMUFixture.base)
      let first = (base + offset) / fragment
      let isInside = offset >= 1000 && offset + length <= 4_001_000
      return isInside && (base + offset + length - 1) / fragment == first
        ? Key(fragment: first, direction: direction) : nil
    }
    for _ in 0..<4000 {
      if live.count < 60 && random.next() % 2 == 0 {
        let direction: DMADirection = random.next() % 2 == 0 ? .deviceReadable : .deviceWritable
        let (offset, length) = (Int(random.next() % 4_300_000), Int(random.next() % 5000) + 1)
        let (iova, mapping) = try mapper.map(guest.segment(offset, UInt32(length)), direction)
        live.append((offset, length, direction, iova, mapping))
        if let key = key(offset, length, direction) {
          if users[key, default: 0] > 0 { merged += 1 } else { maps += 1 }
          users[key, default: 0] += 1
        } else {
          maps += 1
        }
      } else if let at = live.indices.randomElement(using: &random) {
        let one = live.remove(at: at)
        var (iova, offset, left) = (one.iova, one.offset, one.length)
        while left > 0 {
          let found = try device.translate(iova, byteCount: UInt64(left), for: one.direction)
          #expect(found.host == guest.host(offset))
          iova = IOVA(iova.rawValue + found.byteCount)
          offset += Int(found.byteCount)
          left -= Int(found.byteCount)
        }
        try mapper.unmap(one.mapping, one.direction)
        if let key = key(one.offset, one.length, one.direction) { users[key, default: 0] -= 1 }
        let isGone = key(one.offset, one.length, one.direction).map { users[$0] == 0 } ?? true
        let reached = try? device.translate(one.iova, byteCount: 1, for: one.direction)
        #expect((reached == nil) == isGone)
      }
      #expect(mapper.work.counts[.maps] == maps && mapper.work.counts[.mergedMaps] == merged)
    }
    for one in live { try mapper.unmap(one.mapping, one.direction) }
    #expect(mapper.work.counts[.unmaps] == maps)
    guest.domain.core.allocator.flushCaches()
    #expect(guest.domain.rangesInUse == 0)
  }

  @Test("a fragment of 2 MiB is one entry where large pages are used, and 512 where they are not")
  func largePages() throws {
    for usesLargePages in [true, false] {
      let guest = try IOMMUFixture(pages: 1024) { $0.usesLargePages = usesLargePages }
      var mapper = FragmentMapper(
        IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork()), [try buffer(guest, 0, 4 << 20)],
        fragmentByteCount: 2 << 20)
      var device = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
      let before = try mapper.map(guest.segment(0, 64), .deviceReadable)
      // The tables for a leaf at level 2, or at level 1.
      #expect(mapper.work.counts[.pageTableWrites] == (usesLargePages ? 2 + 1 : 3 + 512))
      for page in 0..<512 {
        _ = try device.translate(
          IOVA(before.address.rawValue + UInt64(4096 * page)), byteCount: 8, for: .deviceReadable)
      }
      #expect(device.work.counts[.iotlbMisses] == (usesLargePages ? 1 : 512))
    }
  }

  @Test("a fragment that cannot be mapped is not counted")
  func failure() throws {
    let guest = try IOMMUFixture { $0.iovaLimit = 8 * 4096 }
    var mapper = FragmentMapper(
      IOMMUMapper(domain: guest.domain, policy: .strict, counter: CountedWork()), [try buffer(guest, 0, 65_536)],
      fragmentByteCount: 32_768)
    for _ in 0..<2 {
      #expect(throws: DMAError.iovaExhausted(pages: 8)) { try mapper.map(guest.segment(0, 64), .deviceReadable) }
    }
    let empty = guest.segment(0, 0)
    #expect(throws: DMAError.outOfBounds(empty)) { try mapper.map(empty, .deviceReadable) }
    #expect(mapper.work.counts[.maps] == 0 && mapper.work.counts[.mergedMaps] == 0)
  }

  @Test("what a path beneath returns is checked: for the whole fragment, and where a segment is in none")
  func wrongPath() throws {
    let guest = try IOMMUFixture()
    let plan = WrongBase.Plan()
    var mapper = FragmentMapper(WrongBase(plan), [try buffer(guest, 0, 65_536)], fragmentByteCount: 4096)
    // The segment lies where the sum has wrapped, at an address that could be right.
    plan.address = IOVA(.max - 4094)
    #expect(throws: DMAError.wrongAddress(plan.address, byteCount: 4096)) {
      try mapper.map(guest.segment(8191, 1), .deviceWritable)
    }
    plan.address = IOVA(.max - 62)
    #expect(throws: DMAError.wrongAddress(plan.address, byteCount: 64)) {
      try mapper.map(guest.segment(70_000, 64), .deviceWritable)
    }
    #expect(plan.maps == 2 && plan.unmaps == 2)
    plan.address = IOVA(.max - 63)
    let (address, mapping) = try mapper.map(guest.segment(70_000, 64), .deviceWritable)
    #expect(address == plan.address)
    #expect(throws: DMAError.wrongCount(11, limit: 10)) { try mapper.unmap(mapping, .deviceWritable, written: 10) }
  }
}

/// A path that returns what it is told.
private struct WrongBase: DMAMapper, ~Copyable {
  final class Plan {
    var address = IOVA(0)
    var (maps, unmaps) = (0, 0)
  }

  private let plan: Plan
  var work = UncountedWork()

  init(_ plan: Plan) { self.plan = plan }

  static var unmapped: Void { () }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Void) {
    plan.maps += 1
    return (plan.address, ())
  }

  mutating func unmap(_ mapping: Void, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32 {
    plan.unmaps += 1
    return written + 1
  }

  mutating func poll() throws(DMAError) {}
  mutating func flush() throws(DMAError) {}
}
