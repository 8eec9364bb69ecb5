import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct IOVAAllocatorTests {
  private struct Range: Hashable {
    var page: UInt64
    var pages: UInt64
    var end: UInt64 { page + pages }
  }

  private func allocator(cpus: Int = 1, limit: UInt64 = 1 << 20) -> IOVAAllocator {
    IOVAAllocator(cpuCount: cpus, limit: limit)
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func rangesNeverOverlap(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let limit: UInt64 = 1 << 16
    let allocator = allocator(cpus: 3, limit: limit)
    defer { allocator.deallocate() }
    var work = CountedWork()
    var held: [Range] = []
    var owner = [Bool](repeating: false, count: Int(limit))
    for _ in 0..<20_000 {
      let cpu = Int.random(in: 0..<3, using: &random)
      if Int.random(in: 0..<100, using: &random) < 55 || held.isEmpty {
        let pages = UInt64.random(in: 1...(Bool.random(using: &random) ? 4 : 70), using: &random)
        let page: UInt64
        do { page = try allocator.allocate(pages: pages, cpu: cpu, counter: &work) } catch {
          #expect(error == .iovaExhausted(pages: Int(pages)))
          // Make room, so that the run goes on.
          for range in held.prefix(held.count / 2) {
            allocator.free(range.page, pages: range.pages, cpu: cpu)
            for i in range.page..<range.end { owner[Int(i)] = false }
          }
          held.removeFirst(held.count / 2)
          continue
        }
        let range = Range(page: page, pages: pages)
        let alignment: UInt64 = 1 << UInt64(IOVAAllocator.order(of: pages))
        #expect(page > 0 && range.end <= limit && page % alignment == 0)
        #expect(!owner[Int(page)..<Int(range.end)].contains(true))
        for i in range.page..<range.end { owner[Int(i)] = true }
        held.append(range)
      } else {
        let range = held.remove(at: Int.random(in: 0..<held.count, using: &random))
        allocator.free(range.page, pages: range.pages, cpu: cpu)
        for i in range.page..<range.end { owner[Int(i)] = false }
      }
    }
    for range in held { allocator.free(range.page, pages: range.pages, cpu: 0) }
    allocator.flushCaches()
    #expect(allocator.rangesInTree == 0)
  }

  @Test func everythingReturnedComesAgain() throws {
    let allocator = allocator()
    defer { allocator.deallocate() }
    var work = CountedWork()
    func take() throws -> [UInt64] {
      try (1...400).map { try allocator.allocate(pages: UInt64($0 % 40 + 1), cpu: 0, counter: &work) }
    }
    let first = try take()
    for (i, page) in first.enumerated() { allocator.free(page, pages: UInt64((i + 1) % 40 + 1), cpu: 0) }
    allocator.flushCaches()
    #expect(allocator.rangesInTree == 0)
    let second = try take()
    #expect(first == second)
  }

  @Test func highestRangeFirst() throws {
    let allocator = allocator(limit: 1024)
    defer { allocator.deallocate() }
    var work = CountedWork()
    let pages = try (0..<3).map { _ in try allocator.allocate(pages: 1, cpu: 0, counter: &work) }
    #expect(pages == [1023, 1022, 1021])
    // 3 pages are rounded up to 4, and start at a multiple of 4.
    let three = try allocator.allocate(pages: 3, cpu: 0, counter: &work)
    #expect(three == 1016)
    #expect(work.counts[.iovaFromTree] == 4)
  }

  @Test func magazinesThenDepotThenTree() throws {
    let allocator = allocator()
    defer { allocator.deallocate() }
    var work = CountedWork()
    // Four magazines' worth: the fourth is the one being filled, two are kept by the CPU, two go to the depot.
    let count = 127 * 4
    let pages = try (0..<count).map { _ in try allocator.allocate(pages: 2, cpu: 0, counter: &work) }
    #expect(work.counts[.iovaFromTree] == UInt64(count))
    for page in pages { allocator.free(page, pages: 2, cpu: 0) }
    #expect(allocator.depotCount(order: 1) == 2)
    var again = CountedWork()
    let reused = try (0..<count).map { _ in try allocator.allocate(pages: 2, cpu: 0, counter: &again) }
    #expect(Set(reused) == Set(pages))
    // A magazine out of the depot is one fetch; what remains in it comes from the loaded magazine.
    #expect(again.counts[.iovaFromDepot] == 2)
    #expect(again.counts[.iovaFromMagazine] == UInt64(count - 2))
    #expect(again.counts[.iovaFromTree] == 0)
    #expect(allocator.depotCount(order: 1) == 0)
  }

  @Test func lastFreedComesFirst() throws {
    let allocator = allocator()
    defer { allocator.deallocate() }
    var work = CountedWork()
    let a = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    let b = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    allocator.free(a, pages: 1, cpu: 0)
    allocator.free(b, pages: 1, cpu: 0)
    let next = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    #expect(next == b)
    #expect(work.counts[.iovaFromMagazine] == 1)
  }

  @Test func freedElsewhereIsCachedElsewhere() throws {
    let allocator = allocator(cpus: 2)
    defer { allocator.deallocate() }
    var work = CountedWork()
    let page = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    allocator.free(page, pages: 1, cpu: 1)
    let here = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    #expect(here != page)
    let there = try allocator.allocate(pages: 1, cpu: 1, counter: &work)
    #expect(there == page)
    #expect(work.counts[.iovaFromTree] == 2 && work.counts[.iovaFromMagazine] == 1)
  }

  @Test func largeRangesPassTheCachesBy() throws {
    let allocator = allocator()
    defer { allocator.deallocate() }
    var work = CountedWork()
    for pages in [32, 33] as [UInt64] {
      let page = try allocator.allocate(pages: pages, cpu: 0, counter: &work)
      allocator.free(page, pages: pages, cpu: 0)
    }
    // 128 KiB stays in a magazine, one page more does not.
    #expect(allocator.rangesInTree == 1)
    let again = try allocator.allocate(pages: 33, cpu: 0, counter: &work)
    #expect(again % 64 == 0)
    #expect(work.counts[.iovaFromTree] == 3 && work.counts[.iovaFromMagazine] == 0)
  }

  @Test func exhaustionEmptiesTheCachesOnce() throws {
    // Pages 1...64 of one each: all used, then all in caches of the wrong size and CPU.
    let allocator = allocator(cpus: 2, limit: 65)
    defer { allocator.deallocate() }
    var work = CountedWork()
    let pages = try (0..<64).map { _ in try allocator.allocate(pages: 1, cpu: 0, counter: &work) }
    #expect(throws: DMAError.iovaExhausted(pages: 1)) { try allocator.allocate(pages: 1, cpu: 1, counter: &work) }
    for page in pages { allocator.free(page, pages: 1, cpu: 0) }
    let wide = try allocator.allocate(pages: 32, cpu: 1, counter: &work)
    #expect(wide == 32)
    #expect(allocator.rangesInTree == 1)
    #expect(throws: DMAError.iovaExhausted(pages: 64)) { try allocator.allocate(pages: 64, cpu: 1, counter: &work) }
  }

  @Test func gapAboveTheCachedNodeIsFound() throws {
    let allocator = allocator(limit: 512)
    defer { allocator.deallocate() }
    var work = CountedWork()
    var pages: [UInt64] = []
    for _ in 0..<7 { pages.append(try allocator.allocate(pages: 64, cpu: 0, counter: &work)) }
    // The search begins at the last range and finds nothing below it but pages 1 to 63.
    allocator.free(pages[0], pages: 64, cpu: 0)
    let low = try allocator.allocate(pages: 40, cpu: 0, counter: &work)
    #expect(low == pages[0])
    allocator.free(pages[3], pages: 64, cpu: 0)
    let small = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    #expect(small == pages[3] + 63)
    allocator.free(pages[1], pages: 64, cpu: 0)
    let wide = try allocator.allocate(pages: 64, cpu: 0, counter: &work)
    #expect(wide == pages[1])
  }

  @Test func theSearchBeginsAgainFromTheTop() throws {
    let allocator = allocator(limit: 128)
    defer { allocator.deallocate() }
    var work = CountedWork()
    let top = try allocator.allocate(pages: 33, cpu: 0, counter: &work)
    #expect(top == 64)
    // Fills everything below the first range; what is above it was too small, and is passed by.
    for pages in [32, 16, 8, 4, 2, 1] as [UInt64] {
      let page = try allocator.allocate(pages: pages, cpu: 0, counter: &work)
      #expect(page == (pages == 32 ? 32 : pages))
    }
    let last = try allocator.allocate(pages: 1, cpu: 0, counter: &work)
    #expect(last == 127)
  }

  @Test func depotIsTrimmedToOneMagazinePerCPU() throws {
    let allocator = allocator(cpus: 1)
    defer { allocator.deallocate() }
    var work = CountedWork()
    let pages = try (0..<(127 * 6)).map { _ in try allocator.allocate(pages: 1, cpu: 0, counter: &work) }
    #expect(!allocator.mayTrim)
    for page in pages { allocator.free(page, pages: 1, cpu: 0) }
    #expect(allocator.depotCount(order: 0) == 4)
    #expect(allocator.mayTrim)
    allocator.trim(now: 0)
    #expect(allocator.depotCount(order: 0) == 4)
    var now = UInt64.max / 2
    for expected in [3, 2, 1, 1] {
      allocator.trim(now: now)
      #expect(allocator.depotCount(order: 0) == expected)
      // Too early for the next.
      allocator.trim(now: now + IOVAAllocator.trimInterval - 1)
      #expect(allocator.depotCount(order: 0) == expected)
      now += IOVAAllocator.trimInterval
    }
    #expect(!allocator.mayTrim)
    #expect(allocator.rangesInTree == 127 * 3)
  }

  @Test func threadsShareWithoutOverlap() throws {
    let allocator = allocator(cpus: 2, limit: 1 << 14)
    let owners = PrivateTable<UInt8>(count: 1 << 14, repeating: 0)
    let base = unsafe HostAddress(UnsafeMutableRawPointer(owners.base))
    let threads = (0..<2).map { thread in
      TestThread {
        // Not UncountedWork: a variable of no size has no address of its own, and the thread sanitizer takes two for
        // one.
        var work = CountedWork()
        var random = SeededGenerator(seed: UInt64(thread))
        var held: [Range] = []
        for _ in 0..<30_000 {
          if held.count < 400, Bool.random(using: &random) {
            let pages = UInt64.random(in: 1...8, using: &random)
            // Half of the time as if it ran on the other CPU.
            let cpu = Int.random(in: 0...1, using: &random)
            guard let page = try? allocator.allocate(pages: pages, cpu: cpu, counter: &work) else { continue }
            for i in page..<(page + pages) {
              let slot = unsafe base.advanced(by: Int(i)).pointer
              #expect(unsafe slot.load(as: UInt8.self) == 0)
              unsafe slot.storeBytes(of: 1, as: UInt8.self)
            }
            held.append(Range(page: page, pages: pages))
          } else if let range = held.popLast() {
            for i in range.page..<range.end {
              unsafe base.advanced(by: Int(i)).pointer.storeBytes(of: 0, as: UInt8.self)
            }
            allocator.free(range.page, pages: range.pages, cpu: Int.random(in: 0...1, using: &random))
          }
        }
        for range in held {
          for i in range.page..<range.end { unsafe base.advanced(by: Int(i)).pointer.storeBytes(of: 0, as: UInt8.self) }
          allocator.free(range.page, pages: range.pages, cpu: thread)
        }
      }
    }
    for thread in threads { thread.join() }
    allocator.flushCaches()
    #expect(allocator.rangesInTree == 0)
    allocator.deallocate()
    _ = consume owners
  }
}
