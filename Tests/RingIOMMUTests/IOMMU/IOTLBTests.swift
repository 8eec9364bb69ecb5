import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct IOTLBTests {
  @Test func fourWaysThenTheOldestGoes() {
    let iotlb = IOTLB(sets: 4)
    defer { iotlb.deallocate() }
    // Pages 0, 4, 8, … share set 0.
    for i in 0..<4 as Range<UInt64> { iotlb.insert(i << 14, 0x1000 * (i + 1) | 3) }
    for i in 0..<4 as Range<UInt64> { #expect(iotlb.lookup(i << 14 | 0xabc) == 0x1000 * (i + 1) | 3) }
    iotlb.insert(4 << 14, 0x9000 | 1)
    #expect(iotlb.lookup(0) == 0)
    #expect(iotlb.lookup(4 << 14) == 0x9000 | 1)
    iotlb.insert(5 << 14, 0xa000 | 1)
    #expect(iotlb.lookup(1 << 14) == 0 && iotlb.lookup(2 << 14) != 0)
    // What was invalidated is replaced first.
    iotlb.invalidate(3 << 2, order: 0)
    iotlb.insert(6 << 14, 0xb000 | 1)
    #expect(iotlb.lookup(2 << 14) != 0 && iotlb.lookup(6 << 14) == 0xb000 | 1)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func neverContradictsADictionary(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let iotlb = IOTLB(sets: 16)
    defer { iotlb.deallocate() }
    // What may still be answered. The cache may forget, and must never answer what was invalidated.
    var small: [UInt64: UInt64] = [:]
    var large: [UInt64: UInt64] = [:]
    var (hits, recents) = (0, 0)
    for step in 0..<60_000 as Range<UInt64> {
      // High bits vary too: a tag must hold the whole address.
      let page = UInt64.random(in: 0..<128, using: &random) | UInt64.random(in: 0...3, using: &random) << 50
      let value = (step + 1) << 12 | UInt64.random(in: 1...3, using: &random)
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<40:
        // Entered only after a miss, as by the translator: a page has one entry.
        iotlb.invalidate(page, order: 0)
        #expect(iotlb.lookup(page << 12) == 0)
        large[page >> 9] = nil
        iotlb.insert(page << 12, value)
        small[page] = value
        #expect(iotlb.lookup(page << 12) == value)
      case 40..<45:
        iotlb.insertLarge(page << 21, value)
        large[page & (1 << 43 - 1)] = value
      case 45..<55:
        let order = UInt64.random(in: 0...5, using: &random)
        let first = (page >> order) << order
        iotlb.invalidate(first, order: order)
        for i in first..<(first + 1 << order) { small[i] = nil }
        large[first >> 9] = nil
      case 55:
        // 2 MiB parts, on their own scale: more pages than the cache has is everything.
        iotlb.invalidate((page & (1 << 43 - 1)) << 9, order: 9)
        small = [:]
        large = [:]
      case 56:
        iotlb.invalidateAll()
        small = [:]
        large = [:]
      default:
        let found = iotlb.lookup(page << 12 | 123)
        #expect(found == 0 || found == small[page])
        let address = (page & (1 << 43 - 1)) << 21 | 54_321
        let wide = iotlb.lookupLarge(address)
        #expect(wide == 0 || wide == large[page & (1 << 43 - 1)])
        // The page hit last answers for both directions, and is forgotten with what it was taken from.
        let recent = iotlb.recent(address, 64)
        #expect(recent == nil || recent == large[page & (1 << 43 - 1)].map { $0 & ~0xfff + 54_321 })
        recents += recent != nil ? 1 : 0
        iotlb.setRecent(address)
        if wide & 3 == 3 { #expect(iotlb.recent(address, 64) == wide & ~0xfff + 54_321) }
        hits += (found != 0 ? 1 : 0) + (wide != 0 ? 1 : 0)
      }
    }
    #expect(hits > 1000 && recents > 10)
  }

  @Test func generationsWrapWithoutResurrection() {
    let iotlb = IOTLB(sets: 2)
    defer { iotlb.deallocate() }
    for round in 0..<9000 as Range<UInt64> {
      #expect(iotlb.lookup(0x5000) == 0 && iotlb.lookupLarge(1 << 21) == 0)
      // Only now and then, so that an entry is old when its generation's number comes round.
      if round % 4095 == 7 {
        iotlb.insert(0x5000, 0x1000 | 3)
        iotlb.insertLarge(1 << 21, 0x1000 | 3)
        #expect(iotlb.lookup(0x5000) != 0 && iotlb.lookupLarge(1 << 21) != 0)
      }
      iotlb.invalidateAll()
    }
  }

  @Test func aPageInvalidatesTheLargeEntryAroundIt() {
    let iotlb = IOTLB(sets: 64)
    defer { iotlb.deallocate() }
    iotlb.insertLarge(3 << 21, 0x4000_0000 | 3)
    iotlb.invalidate(4 << 9, order: 0)
    #expect(iotlb.lookupLarge(3 << 21 | 0x1f_ffff) == 0x4000_0000 | 3)
    iotlb.invalidate(3 << 9 + 77, order: 0)
    #expect(iotlb.lookupLarge(3 << 21) == 0)
  }

  /// Behind its end nothing is known, and less than both directions is looked up.
  @Test func thePageHitLastAnswersForWhatLiesInItAlone() {
    let iotlb = IOTLB(sets: 4)
    defer { iotlb.deallocate() }
    let page: UInt64 = 3 << 21
    #expect(iotlb.recent(page, 1) == nil && iotlb.recent(0, 0) == nil)
    iotlb.setRecent(page)
    #expect(iotlb.recent(page, 1) == nil, "what is not here is not noted")
    iotlb.insertLarge(page, 0x4000_0000 | 1)
    iotlb.setRecent(page)
    #expect(iotlb.recent(page, 1) == nil, "a device that may only read asks for each access")
    iotlb.insertLarge(page, 0x4000_0000 | 3)
    iotlb.setRecent(page | 77)
    #expect(iotlb.recent(page, 1 << 21) == 0x4000_0000 && iotlb.recent(page | 0x1f_ffff, 1) == 0x401f_ffff)
    #expect(iotlb.recent(page | 0x1f_ffff, 2) == nil && iotlb.recent(page, 1 << 21 + 1) == nil)
    #expect(iotlb.recent(page - 1, 1) == nil && iotlb.recent(page + 1 << 21, 1) == nil)
    #expect(iotlb.recent(page, .max) == nil && iotlb.recent(.max, 1) == nil)
    // A page that took its place in the table does not hide it from an invalidation.
    iotlb.insertLarge(page + 64 << 21, 0x5000_0000 | 3)
    #expect(iotlb.recent(page, 1) == 0x4000_0000)
    iotlb.invalidate(page >> 12 + 5, order: 0)
    #expect(iotlb.recent(page, 1) == nil)
    iotlb.setRecent(page + 64 << 21)
    #expect(iotlb.recent(page + 64 << 21, 1) == 0x5000_0000)
    iotlb.invalidateAll()
    #expect(iotlb.recent(page + 64 << 21, 1) == nil)
  }
}
