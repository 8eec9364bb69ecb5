import CRing
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct InvalidationQueueTests {
  @Test func waiterServes() throws {
    let queue = InvalidationQueue(servedBy: .waiter, timeout: 1_000_000)
    defer { queue.deallocate() }
    let iotlb = IOTLB(sets: 64)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    var work = CountedWork()
    // 400 requests of two slots: the ring of 256 goes round three times.
    for page in 0..<400 as Range<UInt64> {
      iotlb.insert(page << 12, 0x1000 | 3)
      iotlb.insert((page + 1) << 12, 0x2000 | 3)
      try queue.invalidate(page, pages: 1, counter: &work)
      #expect(iotlb.lookup(page << 12) == 0)
      #expect(iotlb.lookup((page + 1) << 12) != 0)
      iotlb.invalidate(page + 1, order: 0)
    }
    #expect(work.counts[.invalidations] == 400 && work.counts[.invalidationWaits] == 400)
    #expect(queue.tail == 800 && iotlb.served == 800)
    queue.detach(server)
  }

  @Test func theRangeIsRoundedToAnAlignedPowerOfTwo() throws {
    let queue = InvalidationQueue(servedBy: .waiter, timeout: 1_000_000)
    defer { queue.deallocate() }
    let iotlb = IOTLB(sets: 64)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    var work = CountedWork()
    for (first, pages, forgotten) in [
      (8, 8, 8..<16), (8, 5, 8..<16), (7, 2, 0..<16), (6, 2, 6..<8), (16, 1, 16..<17),
    ] as [(UInt64, UInt64, Range<UInt64>)] {
      for page in 0..<40 as Range<UInt64> {
        iotlb.invalidate(page, order: 0)
        iotlb.insert(page << 12, 0x1000 | 3)
      }
      try queue.invalidate(first, pages: pages, counter: &work)
      for page in 0..<40 as Range<UInt64> {
        #expect((iotlb.lookup(page << 12) == 0) == forgotten.contains(page), "page \(page) of \(first)+\(pages)")
      }
    }
    // More than the address mask covers: everything.
    iotlb.insert(1 << 40, 0x1000 | 3)
    try queue.invalidate(0, pages: 1 << 19, counter: &work)
    #expect(iotlb.lookup(1 << 40) == 0)
    queue.detach(server)
  }

  @Test func anotherThreadServesEveryRequestOfTwoDrivers() {
    let queue = InvalidationQueue(servedBy: .deviceThread, timeout: 10_000_000_000)
    let stop = PrivateTable<UInt64>(count: 1, repeating: 0)
    let flag = unsafe SharedMemory(HostAddress(UnsafeMutableRawPointer(stop.base)), byteCount: 8)
    // Two servers on one thread: a request is done when both have taken it.
    let first = IOTLB(sets: 1)
    let second = IOTLB(sets: 1)
    let numbers = [queue.attach(first), queue.attach(second)]
    let device = TestThread {
      while flag.loadAcquire64(0) == 0 {
        if !queue.isIdle(first) { queue.serve(first, numbers[0]) }
        if !queue.isIdle(second) { queue.serve(second, numbers[1]) }
      }
    }
    let drivers = (0..<2).map { _ in
      TestThread {
        var work = CountedWork()
        do {
          for page in 0..<200 as Range<UInt64> { try queue.invalidate(page, pages: 1, counter: &work) }
        } catch { Issue.record(error) }
        #expect(work.counts[.invalidationWaits] == 200)
      }
    }
    for driver in drivers { driver.join() }
    #expect(queue.tail == 800)
    flag.storeRelease64(1, 0)
    device.join()
    #expect(first.served == 800 && second.served == 800)
    for (iotlb, number) in zip([first, second], numbers) {
      queue.detach(number)
      iotlb.deallocate()
    }
    queue.deallocate()
    _ = consume stop
  }

  @Test func nobodyServes() throws {
    let queue = InvalidationQueue(servedBy: .deviceThread, timeout: 1_000_000)
    defer { queue.deallocate() }
    var work = CountedWork()
    // Without a cache there is nothing to wait for.
    try queue.invalidateAll(counter: &work)
    let iotlb = IOTLB(sets: 1)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    // 127 requests fit the ring behind the one that was not read; the next cannot even be posted.
    for _ in 0..<130 {
      #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) {
        try queue.invalidate(1, pages: 1, counter: &work)
      }
    }
    #expect(queue.tail == 2 + 256)
    // What was posted is still served, and the queue works again.
    queue.serve(iotlb, server)
    #expect(iotlb.served == queue.tail && queue.isIdle(iotlb))
    queue.detach(server)
    try queue.invalidateAll(counter: &work)
  }

  /// A time-out beyond what the clock counts is none: the sum does not wrap.
  @Test func theLongestTimeoutIsWaitedFor() throws {
    let queue = InvalidationQueue(servedBy: .deviceThread, timeout: .max)
    defer { queue.deallocate() }
    let iotlb = IOTLB(sets: 1)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    let device = TestThread {
      while queue.tail == 0 {}
      // Long enough for the driver to look at the clock more than once.
      let end = cring_nanoseconds() + 20_000_000
      while cring_nanoseconds() < end { cring_spin_hint() }
      queue.serve(iotlb, server)
    }
    var work = CountedWork()
    try queue.invalidate(1, pages: 1, counter: &work)
    device.join()
    queue.detach(server)
  }

  /// Says it has come as far as it is waited for, and then that it has not come at all.
  private final class PulsingServers: InvalidationServers {
    let queue: InvalidationQueue
    var hasBegun = false
    var looks = 0

    init(_ queue: InvalidationQueue) { self.queue = queue }

    var requests: UnsafeMutableRawPointer { unsafe queue.block }
    var slots: UnsafeMutableRawPointer { unsafe queue.block + InvalidationQueue.slotOffset }
    func publish(_ end: UInt64) {}
    func progress(_ server: Int) -> UInt64 {
      looks += 1
      // In the end it lets a request through that waits for ever.
      return hasBegun && looks < 10_000_000 ? 0 : .max
    }
    func hasServed(_ server: Int, _ end: UInt64) -> Bool { true }
    func serveForServer(_ server: Int) {}
  }

  @Test func aServerThatTakesBackWhatItSaidMovesNoDeadline() throws {
    let queue = InvalidationQueue(servedBy: .deviceThread, timeout: 1_000_000)
    defer { queue.deallocate() }
    let iotlb = IOTLB(sets: 1)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    let servers = PulsingServers(queue)
    for _ in 0..<128 { try queue.flush(.domain(), through: servers) }
    servers.hasBegun = true
    #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) {
      try queue.flush(.domain(), through: servers)
    }
    queue.detach(server)
  }
}
