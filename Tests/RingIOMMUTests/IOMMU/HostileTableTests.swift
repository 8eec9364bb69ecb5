import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("Tables and requests that a driver in another process damages")
struct HostileTableTests {
  /// A mapped page, one of its entries changed, and what the device says.
  private func fault(
    level: Int, _ change: (UInt64, SharedDomainFixture) -> UInt64
  ) throws -> (fault: DMAFault?, address: IOVA, bits: UInt64) {
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper()
    let (address, _) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    let at = fixture.entry(of: address, level: level)
    let bits = change(fixture.word(at: at), fixture)
    fixture.setWord(bits, at: at)
    var device = fixture.translator()
    do throws(DMAFault) {
      _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
      return (nil, address, bits)
    } catch { return (error, address, bits) }
  }

  private func isBadEntry(level: Int, _ change: (UInt64, SharedDomainFixture) -> UInt64) throws {
    let (fault, address, bits) = try fault(level: level, change)
    #expect(fault == .badEntry(IOVA(address.rawValue & ~4095), bits, level: level))
  }

  @Test("a table beyond the tables, at their very end, or one that is the root", arguments: [2, 3, 4])
  func tables(level: Int) throws {
    try isBadEntry(level: level) { _, fixture in
      UInt64(fixture.pair.there.tables.byteCount - SharedDomainLayout.arenaOffset) | 3
    }
    try isBadEntry(level: level) { _, _ in PageTableEntry.addressMask | 3 }
    try isBadEntry(level: level) { _, _ in 3 }
    // The last page is one, and empty.
    let (fault, address, _) = try fault(level: level) { _, fixture in
      UInt64(fixture.pair.there.tables.byteCount - SharedDomainLayout.arenaOffset - 4096) | 3
    }
    #expect(fault == .notMapped(address))
  }

  @Test("a table that is its own lower one ends after four levels")
  func loop() throws {
    let (fault, _, _) = try fault(level: 3) { _, fixture in fixture.word(at: SharedDomainLayout.arenaOffset + 511 * 8) }
    #expect(fault != nil)
  }

  @Test("bits that mean nothing, at every level", arguments: [1, 2, 3, 4])
  func reserved(level: Int) throws {
    for bit in [2, 6, 8, 11, 52, 63] as [UInt64] { try isBadEntry(level: level) { bits, _ in bits | 1 << bit } }
  }

  @Test("leaves that are none: large at level 4 or 1, misaligned, a table for one direction")
  func leaves() throws {
    try isBadEntry(level: 4) { _, _ in PageTableEntry.largeBit | 3 }
    try isBadEntry(level: 1) { bits, _ in bits | PageTableEntry.largeBit }
    try isBadEntry(level: 2) { _, _ in 4096 | PageTableEntry.largeBit | 3 }
    try isBadEntry(level: 3) { _, _ in 2 << 20 | PageTableEntry.largeBit | 3 }
    try isBadEntry(level: 2) { bits, _ in bits & ~1 }
  }

  @Test("a leaf that leads to no memory, or to memory that was not passed, faults where it is used")
  func targets() throws {
    for target in [1 << 40, 0, PageTableEntry.addressMask] as [UInt64] {
      let (fault, address, _) = try fault(level: 1) { _, _ in target | 3 }
      #expect(fault == .badTarget(address, GuestPhysicalAddress(target)))
    }
    let (fault, address, _) = try fault(level: 1) { bits, _ in bits & ~3 }
    #expect(fault == .notMapped(address))
    let (other, _, _) = try self.fault(level: 1) { bits, _ in bits & ~3 | 2 }
    #expect(other == .notPermitted(address, .deviceReadable))
  }

  @Test("anything anywhere: a typed fault, or memory that was passed")
  func scribbled() throws {
    var generator = SeededGenerator(for: "tables")
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper()
    var addresses: [IOVA] = []
    for i in 0..<64 { addresses.append(try mapper.map(fixture.guest.segment(i * 4096, 4096), .deviceReadable).address) }
    let shared = fixture.guest.regions.filter { $0.isShared }
    var device = fixture.translator()
    let words = fixture.pair.there.tables.byteCount / 8
    var (found, faults) = (0, 0)
    for _ in 0..<20_000 {
      var value = UInt64.random(in: .min ... .max, using: &generator)
      // Mostly what looks like an entry.
      if value & 3 != 0 { value = (value >> 8) & 0xf_ffff << 12 | value & (value & 4 != 0 ? 0x83 : 3) }
      let address = addresses[Int.random(in: 0..<addresses.count, using: &generator)]
      let level = Int.random(in: 0...4, using: &generator)
      // A word that no walk would reach may be hit as well; entries of real walks most of the time.
      let at = level == 0 ? Int.random(in: 0..<words, using: &generator) * 8 : fixture.entry(of: address, level: level)
      let before = fixture.word(at: at)
      fixture.setWord(value, at: at)
      device.service()
      // Walked anew each time, and not only where the last walk was long ago.
      device.iotlb.invalidateAll()
      do throws(DMAFault) {
        let (host, count) = try device.translate(address, byteCount: 8192, for: .deviceReadable)
        found += 1
        #expect(
          shared.contains {
            host.rawValue >= $0.hostBase.rawValue
              && host.rawValue - $0.hostBase.rawValue + UInt(count) <= UInt($0.byteCount)
          })
      } catch {
        faults += 1
        #expect(!error.description.isEmpty)
      }
      fixture.setWord(before, at: at)
    }
    #expect(found > 100 && faults > 100, "\(found) found, \(faults) faults")
  }

  @Test("requests that are none, or more than the queue holds, have everything forgotten and are answered")
  func requests() throws {
    let bad: [(head: UInt64, body: UInt64)] = [
      (1 | 19 << 8, 0), (1 | 255 << 8, 0), (1, 1 << 36), (1, .max), (1 | 3 << 8, 5), (0, 0), (3, 0), (.max, .max),
    ]
    for (head, body) in bad {
      for step in [2, 4] as [UInt64] {
        let fixture = try SharedDomainFixture()
        var mapper = fixture.mapper()
        let (address, _) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
        var device = fixture.translator()
        _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
        fixture.setWord(0, at: fixture.entry(of: address, level: 1))
        // Beside the tail, where one that is up to date looks, and in every slot.
        for i in 0..<2 { write(fixture, SharedDomainLayout.latestOffset + 16 * i, head, body) }
        for i in 0..<256 { write(fixture, SharedDomainLayout.slotOffset + 16 * i, head, body) }
        fixture.setWord(step, at: SharedDomainLayout.tailOffset)
        device.service()
        #expect(fixture.completion == step)
        #expect(throws: DMAFault.notMapped(address), "\(head), \(body)") {
          _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
        }
      }
    }
  }

  private func write(_ fixture: SharedDomainFixture, _ offset: Int, _ head: UInt64, _ body: UInt64) {
    fixture.setWord(head, at: offset)
    fixture.setWord(body, at: offset + 8)
  }

  @Test(
    "a tail that leaps or goes back is caught up with at once",
    arguments: [257, 1 << 40, UInt64.max, UInt64.max - 1] as [UInt64])
  func tails(tail: UInt64) throws {
    let fixture = try SharedDomainFixture()
    var mapper = fixture.mapper()
    let (address, _) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    var device = fixture.translator()
    _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
    fixture.setWord(0, at: fixture.entry(of: address, level: 1))
    fixture.setWord(tail, at: SharedDomainLayout.tailOffset)
    device.service()
    #expect(fixture.completion == tail)
    #expect(throws: DMAFault.notMapped(address)) {
      _ = try device.translate(address, byteCount: 64, for: .deviceReadable)
    }
  }

  @Test("memory that is too small for a table, or for answers, is refused")
  func tooSmall() throws {
    let large = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 12_288)
    let small = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 8192)
    #expect(SharedDomain(tables: large, completions: large) != nil)
    #expect(SharedDomain(tables: small, completions: large) == nil)
  }
}
