import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct PageTableTests {
  private func table(_ pages: Int = 1 << 16) -> PageTable { PageTable(maximumPages: pages) }

  @Test func onePageCostsOneEntryOnceItsTablesAreThere() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    try table.map(5, to: 77, pages: 1, permissions: 1, largestLeaf: 3, counter: &work)
    #expect(work.counts[.pageTableWrites] == 4)
    try table.map(6, to: 78, pages: 1, permissions: 2, largestLeaf: 3, counter: &work)
    #expect(work.counts[.pageTableWrites] == 5)
    #expect(table.leads(5, to: 77 << 12))
    #expect(table.walk(6).entry.bits == 78 << 12 | 2)
    try table.unmap(5, pages: 1, counter: &work)
    #expect(work.counts[.pageTableWrites] == 6)
    #expect(table.leads(5, to: nil))
    #expect(table.leads(6, to: 78 << 12))
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func agreesWithADictionary(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    // Page to target page and permissions; ranges as they were mapped.
    var model: [UInt64: (target: UInt64, permissions: UInt64)] = [:]
    var ranges: [(page: UInt64, pages: UInt64)] = []
    let bases: [UInt64] = [0, 1 << 18, 1 << 27, (1 << 36) - 4096]
    for _ in 0..<600 {
      if Int.random(in: 0..<3, using: &random) > 0 || ranges.isEmpty {
        let large = Bool.random(using: &random)
        let pages = large ? 512 * UInt64.random(in: 1...2, using: &random) : UInt64.random(in: 1...40, using: &random)
        var page = bases.randomElement(using: &random)! + UInt64.random(in: 0...(4096 - pages), using: &random)
        var target = UInt64.random(in: 0..<(1 << 30), using: &random)
        if large && Bool.random(using: &random) {
          page &= ~511
          target &= ~511
        }
        let permissions = UInt64.random(in: 1...3, using: &random)
        let taken = (page..<(page + pages)).first { model[$0] != nil }
        do {
          try table.map(page, to: target, pages: pages, permissions: permissions, largestLeaf: 3, counter: &work)
          #expect(taken == nil)
          for i in 0..<pages { model[page + i] = (target + i, permissions) }
          ranges.append((page, pages))
        } catch DMAError.alreadyMapped {
          #expect(taken != nil)
        }
      } else {
        let range = ranges.remove(at: Int.random(in: 0..<ranges.count, using: &random))
        try table.unmap(range.page, pages: range.pages, counter: &work)
        for i in 0..<range.pages { model[range.page + i] = nil }
      }
    }
    for base in bases {
      for page in base..<(base + 4096) {
        let expected = model[page]
        #expect(table.leads(page, to: expected.map { $0.target << 12 }))
        #expect(table.walk(page).entry.bits & 3 == expected?.permissions ?? 0)
      }
    }
    for range in ranges { try table.unmap(range.page, pages: range.pages, counter: &work) }
    for base in bases {
      for page in base..<(base + 4096) where table.physicalAddress(page) != nil { Issue.record("\(page) is left") }
    }
  }

  @Test func alignedTwoMiBTakeOneLeaf() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    try table.map(512, to: 1024, pages: 512, permissions: 3, largestLeaf: 3, counter: &work)
    // The tables of levels 3 and 2, and the leaf.
    #expect(work.counts[.pageTableWrites] == 3)
    #expect(table.walk(700).level == 2)
    #expect(table.leads(700, to: (1024 + 188) << 12))
    // Half of a leaf cannot be unmapped.
    #expect(throws: DMAError.notMapped(IOVA(512 << 12))) { try table.unmap(512, pages: 256, counter: &work) }
    #expect(table.physicalAddress(512) != nil)
    try table.unmap(512, pages: 512, counter: &work)
    #expect(work.counts[.pageTableWrites] == 4)
    #expect(table.leads(700, to: nil))
  }

  @Test func oneGiBTakesOneLeafAndThatCanBeForbidden() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    let giB: UInt64 = 1 << 18
    try table.map(giB, to: 4 * giB, pages: giB, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(work.counts[.pageTableWrites] == 2)
    #expect(table.leads(giB + 12_345, to: (4 * giB + 12_345) << 12))
    try table.unmap(giB, pages: giB, counter: &work)
    try table.map(giB, to: 4 * giB, pages: 512, permissions: 3, largestLeaf: 1, counter: &work)
    #expect(table.walk(giB).level == 1)
    #expect(table.walk(giB + 511).entry.address == (4 * giB + 511) << 12)
  }

  @Test func smallEntriesWhereALowerTableStands() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    try table.map(512, to: 0, pages: 1, permissions: 3, largestLeaf: 3, counter: &work)
    try table.unmap(512, pages: 1, counter: &work)
    try table.map(512, to: 1024, pages: 512, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(table.walk(512).level == 1)
    #expect(table.leads(1023, to: 1535 << 12))
  }

  @Test func smallEntriesForATargetThatIsNotAligned() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    try table.map(512, to: 1, pages: 512, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(table.walk(512).level == 1)
    #expect(table.leads(600, to: 89 << 12))
  }

  @Test func conflictLeavesNothingBehind() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    // In the third table of a range that begins in the first.
    try table.map(1030, to: 9, pages: 1, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(throws: DMAError.alreadyMapped(IOVA(1030 << 12))) {
      try table.map(500, to: 4001, pages: 600, permissions: 3, largestLeaf: 3, counter: &work)
    }
    for page in 0..<2048 as Range<UInt64> { #expect(table.leads(page, to: (page == 1030 ? 9 << 12 : nil))) }
    // Under a large leaf.
    try table.map(2048, to: 0, pages: 512, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(throws: DMAError.alreadyMapped(IOVA(2050 << 12))) {
      try table.map(2050, to: 1, pages: 1, permissions: 3, largestLeaf: 3, counter: &work)
    }
  }

  @Test func unmappingAHoleSaysWhere() throws {
    let table = table()
    defer { table.deallocate() }
    var work = CountedWork()
    #expect(throws: DMAError.notMapped(IOVA(3 << 12))) { try table.unmap(3, pages: 1, counter: &work) }
    try table.map(10, to: 0, pages: 2, permissions: 3, largestLeaf: 3, counter: &work)
    #expect(throws: DMAError.notMapped(IOVA(12 << 12))) { try table.unmap(10, pages: 3, counter: &work) }
    #expect(throws: DMAError.notMapped(IOVA(1 << 48))) { try table.unmap(1 << 36, pages: 1, counter: &work) }
    #expect(table.leads(.max >> 12, to: nil))
  }

  @Test func exhaustedTablesUnwind() throws {
    let table = table(5)
    defer { table.deallocate() }
    var work = CountedWork()
    // Root, three levels, one more leaf table: the third leaf table is one too many.
    #expect(throws: DMAError.pageTableExhausted) {
      try table.map(1, to: 0, pages: 1100, permissions: 3, largestLeaf: 1, counter: &work)
    }
    for page in 0..<1200 as Range<UInt64> { #expect(table.leads(page, to: nil)) }
    try table.map(1, to: 0, pages: 900, permissions: 3, largestLeaf: 1, counter: &work)
  }

  @Test func threadsInstallOneTable() throws {
    let table = table()
    defer { table.deallocate() }
    // Interleaved pages: both threads need every table.
    let threads = (0..<2 as Range<UInt64>).map { thread in
      TestThread {
        // Not UncountedWork: a variable of no size has no address of its own, and the thread sanitizer takes two for
        // one.
        var work = CountedWork()
        for i in 0..<20_000 as Range<UInt64> {
          do {
            try table.map(
              i * 2 + thread, to: i * 2 + thread, pages: 1, permissions: 3, largestLeaf: 3, counter: &work)
          } catch { Issue.record(error) }
        }
      }
    }
    for thread in threads { thread.join() }
    for page in 0..<40_000 as Range<UInt64> where table.physicalAddress(page) != page << 12 {
      Issue.record("\(page) is lost")
    }
  }
}

extension PageTable {
  /// Whether a page leads to that address, or nowhere.
  ///
  /// A function, because comparing the optionals inside an expectation reads beyond one of them in the toolchain's own
  /// code (6.3), which the address sanitizer reports.
  fileprivate func leads(_ page: UInt64, to address: UInt64?) -> Bool { physicalAddress(page) == address }
}
