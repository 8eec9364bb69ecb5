import RingIOMMU
import RingKit
import RingKitTesting
import Testing

/// What IOTLB messages leave behind: one translation an address, ranges forgotten whole, nothing for an access that was
/// not given.
@Suite struct DeviceIOTLBTests {
  private static let page: UInt64 = 4096
  private static let host = unsafe HostAddress(rawValue: 0x7000_0000_0000)

  /// What a translator says; `nil` when it has to be asked for.
  private func look(
    _ known: DeviceIOTLB, _ address: UInt64, _ byteCount: UInt64 = 1, _ access: DMADirection = .deviceReadable
  ) throws -> (host: UInt, byteCount: UInt64)? {
    var translator = DeviceIOTLBTranslator(known, counter: CountedWork())
    do throws(DMAFault) {
      let found = try translator.translate(IOVA(address), byteCount: byteCount, for: access)
      return (found.host.rawValue, found.byteCount)
    } catch {
      #expect(error == .pending(IOVA(address), access))
      return nil
    }
  }

  @Test(arguments: [4096, 3] as [Int]) func agreesWithAModel(limit: Int) throws {
    var generator = SeededGenerator(for: "translations against their model, \(limit) at most")
    let known = DeviceIOTLB(limit: limit, iotlbSets: 2)
    var model = DeviceIOTLBModel(byteCount: 24 * Self.page, limit: limit)
    var translator = DeviceIOTLBTranslator(known, counter: CountedWork())
    var found = 0
    for round in 0..<20_000 {
      let first = Int.random(in: 0..<model.cells.count, using: &generator)
      // Whole pages as front-ends send them, and ranges that end anywhere.
      let isWhole = Bool.random(using: &generator)
      let start = isWhole ? first & ~15 : first
      let most = model.cells.count - start
      let count =
        isWhole
        ? min(most, 16 * Int.random(in: 1...4, using: &generator))
        : Int.random(in: 1...min(most, 70), using: &generator)
      let (address, byteCount) = (UInt64(start) * 256, UInt64(count) * 256)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0...2:
        let bits = Int.random(in: 0...3, using: &generator)
        // Often where its neighbour's memory goes on, so that a buffer crosses from one range to the next.
        let memory = UInt(Int.random(in: 0...1, using: &generator) * 0x10_0000)
        let host = Self.host.rawValue + UInt(address) + memory + (isWhole ? 0 : UInt(bits) * 256)
        unsafe known.insert(
          IOVA(address), byteCount: byteCount, host: HostAddress(rawValue: host), canRead: bits & 1 != 0,
          canWrite: bits & 2 != 0)
        model.insert(start..<(start + count), host: host, canRead: bits & 1 != 0, canWrite: bits & 2 != 0)
      case 3:
        known.forget(IOVA(address), byteCount: byteCount)
        model.forget(start..<(start + count))
      default:
        let access: DMADirection = Bool.random(using: &generator) ? .deviceReadable : .deviceWritable
        let at = address + UInt64.random(in: 0..<256, using: &generator)
        let wanted = UInt64.random(in: 1...9000, using: &generator)
        let expected = model.translate(at, byteCount: wanted, for: access)
        do throws(DMAFault) {
          let got = try translator.translate(IOVA(at), byteCount: wanted, for: access)
          #expect(
            got.host.rawValue == expected?.host && got.byteCount == expected?.byteCount,
            "round \(round): \(wanted) bytes at \(at)")
          found += 1
        } catch {
          #expect(error == .pending(IOVA(at), access) && expected == nil, "round \(round): \(wanted) bytes at \(at)")
        }
      }
      try #require(known.count == model.count, "round \(round)")
    }
    // With three ranges at most about 1,060 lookups find something, with a standard deviation of 33.
    #expect(found > 500, "\(found) found")
  }

  @Test func anUpdateInsideARangeForgetsAllOfIt() throws {
    let known = DeviceIOTLB()
    known.insert(IOVA(0), byteCount: 8 * Self.page, host: Self.host, canRead: true, canWrite: true)
    _ = try look(known, 0)
    _ = try look(known, 7 * Self.page)
    let other = unsafe HostAddress(rawValue: 0x6000_0000_0000)
    known.insert(IOVA(3 * Self.page), byteCount: Self.page, host: other, canRead: true, canWrite: true)
    #expect(known.count == 1)
    #expect(try look(known, 0) == nil && look(known, 7 * Self.page) == nil)
    #expect(try #require(try look(known, 3 * Self.page, 9000)) == (other.rawValue, Self.page))
  }

  @Test func anInvalidationTakesEveryRangeItTouches() throws {
    let known = DeviceIOTLB()
    for i in 0..<8 as Range<UInt64> {
      unsafe known.insert(
        IOVA(i * 2 * Self.page), byteCount: Self.page, host: Self.host.advanced(by: Int(i * Self.page)), canRead: true,
        canWrite: false)
      _ = try look(known, i * 2 * Self.page)
    }
    // One byte of the third, all of the fourth, one byte of the fifth.
    known.forget(IOVA(5 * Self.page - 1), byteCount: 3 * Self.page + 2)
    #expect(known.count == 5)
    for i in 0..<8 as Range<UInt64> { #expect(try (look(known, i * 2 * Self.page) == nil) == (2...4).contains(i)) }
    known.forget(IOVA(0), byteCount: 0)
    #expect(known.count == 5)
    // To the end, and beyond it.
    known.forget(IOVA(12 * Self.page), byteCount: .max)
    #expect(known.count == 3)
    known.forget(IOVA(0), byteCount: .max)
    #expect(try known.count == 0 && look(known, 0) == nil)
  }

  @Test(arguments: [true, false]) func whatWasGivenForOneAccessIsNotThereForTheOther(canRead: Bool) throws {
    let known = DeviceIOTLB()
    known.insert(IOVA(0), byteCount: Self.page, host: Self.host, canRead: canRead, canWrite: !canRead)
    // Twice: looked up, then from the cache.
    for _ in 0..<2 {
      #expect(try (look(known, 8, 8, .deviceReadable) != nil) == canRead)
      #expect(try (look(known, 8, 8, .deviceWritable) != nil) == !canRead)
    }
    // With fewer rights than before: nothing is left of those.
    known.insert(IOVA(0), byteCount: Self.page, host: Self.host, canRead: false, canWrite: false)
    #expect(try look(known, 8, 8, .deviceReadable) == nil && look(known, 8, 8, .deviceWritable) == nil)
  }

  @Test func aBufferEndsWithWhatIsPermittedOrLiesTogether() throws {
    let known = DeviceIOTLB()
    let end = unsafe Self.host.advanced(by: Int(Self.page))
    known.insert(IOVA(0), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
    known.insert(IOVA(Self.page), byteCount: Self.page, host: end, canRead: true, canWrite: false)
    #expect(try #require(try look(known, 100, 5000, .deviceReadable)) == (Self.host.rawValue + 100, 5000))
    #expect(try #require(try look(known, 100, 5000, .deviceWritable)) == (Self.host.rawValue + 100, Self.page - 100))
    unsafe known.insert(
      IOVA(Self.page), byteCount: Self.page, host: end.advanced(by: 64), canRead: true, canWrite: true)
    #expect(try #require(try look(known, 100, 5000)) == (Self.host.rawValue + 100, Self.page - 100))
  }

  @Test func aPartOfAPageIsNotTheWholePage() throws {
    let known = DeviceIOTLB()
    unsafe known.insert(IOVA(512), byteCount: 1024, host: Self.host.advanced(by: 512), canRead: true, canWrite: true)
    for _ in 0..<2 {
      #expect(try look(known, 511) == nil && look(known, 1536) == nil)
      #expect(try #require(try look(known, 512, 4000)) == (Self.host.rawValue + 512, 1024))
    }
  }

  @Test func theLastAddressCountsAndNothingBehindIt() throws {
    let known = DeviceIOTLB()
    let last = UInt64.max & ~4095
    known.insert(IOVA(last), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
    #expect(try #require(try look(known, .max)) == (Self.host.rawValue + 4095, 1))
    #expect(throws: DMAFault.addressOverflow(IOVA(.max - 7), byteCount: 16)) {
      var translator = DeviceIOTLBTranslator(known, counter: CountedWork())
      _ = try translator.translate(IOVA(.max - 7), byteCount: 16, for: .deviceReadable)
    }
    known.insert(IOVA(0), byteCount: .max, host: Self.host, canRead: true, canWrite: true)
    #expect(known.count == 1)
    #expect(try #require(try look(known, last)).host == Self.host.rawValue &+ UInt(last))
  }

  @Test func moreRangesThanThereIsRoomForLeaveTheLast() throws {
    let known = DeviceIOTLB(limit: 4)
    for i in 0..<4 as Range<UInt64> {
      known.insert(IOVA(i * Self.page), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
      _ = try look(known, i * Self.page)
    }
    // One that replaces another needs no more room.
    known.insert(IOVA(Self.page), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
    #expect(known.count == 4)
    known.insert(IOVA(9 * Self.page), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
    #expect(known.count == 1)
    for i in 0..<4 as Range<UInt64> { #expect(try look(known, i * Self.page) == nil) }
    #expect(try look(known, 9 * Self.page) != nil)
  }

  /// A chain over as many pages as are kept by default is translated whole; the next page empties the table.
  @Test func thereIsRoomFor65536Pages() throws {
    let (known, pages) = (DeviceIOTLB(), 65_536 as UInt64)
    #expect(known.limit == pages)
    func give(_ page: UInt64) {
      let host = unsafe HostAddress(rawValue: Self.host.rawValue + UInt(page * Self.page))
      known.insert(IOVA(page * Self.page), byteCount: Self.page, host: host, canRead: true, canWrite: true)
    }
    for page in 0..<pages { give(page) }
    let found = try #require(try look(known, 0, pages * Self.page))
    #expect(found.host == Self.host.rawValue && found.byteCount == pages * Self.page)
    give(pages)
    #expect(known.count == 1)
  }

  @Test func hitsAndMissesAreCountedOnceEach() throws {
    let known = DeviceIOTLB()
    var translator = DeviceIOTLBTranslator(known, counter: CountedWork())
    #expect(throws: DMAFault.pending(IOVA(0), .deviceReadable)) {
      var other = DeviceIOTLBTranslator(known, counter: CountedWork())
      _ = try other.translate(IOVA(0), byteCount: 1, for: .deviceReadable)
    }
    known.insert(IOVA(0), byteCount: Self.page, host: Self.host, canRead: true, canWrite: true)
    for _ in 0..<3 { _ = try translator.translate(IOVA(0), byteCount: 8, for: .deviceReadable) }
    #expect(translator.work.counts[.iotlbHits] == 3 && translator.work.counts[.iotlbMisses] == 0)
  }
}

/// What a device knows, one entry for every 256 bytes of its addresses: no ranges, no order, no cache.
struct DeviceIOTLBModel {
  struct Cell {
    let range: Int
    let host: UInt
    let canRead: Bool
    let canWrite: Bool
  }

  static let unit: UInt64 = 256
  let limit: Int
  private(set) var cells: [Cell?]
  private var made = 0

  /// As many addresses, from 0 on.
  init(byteCount: UInt64, limit: Int) {
    cells = Array(repeating: nil, count: Int(byteCount / Self.unit))
    self.limit = limit
  }

  var count: Int { Set(cells.compactMap { $0?.range }).count }

  /// Every range that has an address in common goes, all of it.
  mutating func forget(_ units: Range<Int>) {
    let gone = Set(cells[units].compactMap { $0?.range })
    for i in cells.indices { if let cell = cells[i], gone.contains(cell.range) { cells[i] = nil } }
  }

  mutating func insert(_ units: Range<Int>, host: UInt, canRead: Bool, canWrite: Bool) {
    forget(units)
    if count == limit { forget(cells.indices) }
    made += 1
    for i in units {
      let at = host + UInt(i - units.lowerBound) * UInt(Self.unit)
      cells[i] = Cell(range: made, host: at, canRead: canRead, canWrite: canWrite)
    }
  }

  /// Where an address leads, and for how many contiguous bytes; `nil` where the access is not permitted.
  func translate(
    _ address: UInt64, byteCount: UInt64, for access: DMADirection
  ) -> (host: UInt, byteCount: UInt64)? {
    func host(_ address: UInt64) -> UInt? {
      guard address / Self.unit < UInt64(cells.count), let cell = cells[Int(address / Self.unit)],
        access == .deviceWritable ? cell.canWrite : cell.canRead
      else { return nil }
      return cell.host + UInt(address % Self.unit)
    }
    guard let start = host(address) else { return nil }
    var done: UInt64 = 0
    while done < byteCount, host(address + done) == start + UInt(done) {
      done = min(byteCount, done + Self.unit - (address + done) % Self.unit)
    }
    return (start, done)
  }
}
