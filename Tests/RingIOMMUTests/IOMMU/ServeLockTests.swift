import CRing
import RingKit
import RingKitTesting
import TestTraits
import Testing

@testable import RingIOMMU

/// Caches that drivers of other queues serve while they wait, because their own driver is on their thread.
@Suite("A cache that any waiting thread serves", .oneAtATime)
struct ServeLockTests {
  /// What a translator does on its own thread while another thread may serve it.
  enum Action: CaseIterable {
    case miss, service, noteLargePage, shareNoMore, drop
  }

  @Test("no waiting thread serves it while its owner enters a translation, and what was entered is forgotten")
  func entering() throws {
    let queue = InvalidationQueue(servedBy: .deviceThread, timeout: 60_000_000_000)
    defer { queue.deallocate() }
    let iotlb = IOTLB(sets: 64)
    defer { iotlb.deallocate() }
    let server = queue.attach(iotlb)
    queue.setServedByWaiter(server, true)
    let hasWaited = StopFlag()
    let waiter = queue.writing(server) {
      let waiter = TestThread {
        var work = CountedWork()
        do { try queue.invalidate(7, pages: 1, counter: &work) } catch { Issue.record(error) }
        hasWaited.raise()
      }
      while queue.tail == 0 {}
      // The page table was read before that: only the invalidation takes this away.
      Self.pause()
      #expect(!hasWaited.isRaised && iotlb.served == 0)
      iotlb.insert(7 << 12, 0x1000 | 3)
      return waiter
    }
    waiter.join()
    #expect(hasWaited.isRaised && iotlb.lookup(7 << 12) == 0 && iotlb.served == 2)
    queue.detach(server)
  }

  @Test("its owner writes it, and takes it away, only while no other thread serves it", arguments: Action.allCases)
  func owning(action: Action) throws {
    let guest = try IOMMUFixture { $0.servedBy = .deviceThread }
    let domain = guest.domain
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    let (known, _) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    let (unknown, _) = try mapper.map(guest.segment(4096, 64), .deviceReadable)
    let (isReady, mayGo, hasHit, isDone) = (StopFlag(), StopFlag(), StopFlag(), StopFlag())
    let owner = TestThread {
      // Behind the translator's end, where that is what is looked at.
      defer { isDone.raise() }
      do {
        var translator = IOMMUTranslator(domain: domain, counter: CountedWork())
        translator.shareThread(true)
        translator.iotlb.insertLarge(1 << 30, 1 << 21 | 3)
        _ = try translator.translate(known, byteCount: 64, for: .deviceReadable)
        isReady.raise()
        while !mayGo.isRaised {}
        // One that hits takes no lock.
        _ = try translator.translate(known, byteCount: 64, for: .deviceReadable)
        #expect(translator.work.counts[.iotlbHits] == 1)
        #expect(translator.largeHit(known, 64, .deviceReadable) == nil)
        hasHit.raise()
        switch action {
        case .miss: _ = try translator.translate(unknown, byteCount: 64, for: .deviceReadable)
        case .service: translator.service()
        case .noteLargePage: _ = translator.largeHit(IOVA(1 << 30), 64, .deviceReadable)
        case .shareNoMore: translator.shareThread(false)
        case .drop: return
        }
        isDone.raise()
      } catch { Issue.record(error) }
    }
    while !isReady.isRaised {}
    let invalidations = domain.core.invalidations
    // As a waiting thread that serves.
    unsafe cring_lock(invalidations.serveLock)
    // For `service` to have something to take.
    var late = TestThread?.none
    if action == .service {
      late = TestThread {
        do { try domain.invalidate(99) } catch { Issue.record(error) }
      }
      while invalidations.tail == 0 {}
    }
    mayGo.raise()
    while !hasHit.isRaised {}
    Self.pause()
    #expect(!isDone.isRaised)
    unsafe cring_unlock(invalidations.serveLock)
    owner.join()
    late?.join()
    #expect(isDone.isRaised)
  }

  @Test("what another thread serves at the generations' end is forgotten, and the owner takes up the first again")
  func generations() {
    let iotlb = IOTLB(sets: 2)
    defer { iotlb.deallocate() }
    for _ in 0..<5000 {
      iotlb.insert(0x5000, 0x1000 | 3)
      iotlb.insertLarge(1 << 21, 0x1000 | 3)
      iotlb.invalidateAll(isOwner: false)
      #expect(iotlb.lookup(0x5000) == 0 && iotlb.lookupLarge(1 << 21) == 0)
    }
    // 4,095 times all generations, of which the last was cleared, then the first again.
    #expect(iotlb.generation == 5000 - 4095 + 1)
  }

  @Test("two threads, each with a queue of its own over one domain, move buffers while queues come and go")
  func queuesComeAndGo() throws {
    let memory = try GuestMemory(byteCount: 8 << 20)
    var configuration = IOMMUConfiguration()
    configuration.cpuCount = 2
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    let areas = [try memory.allocate(16 << 12), try memory.allocate(16 << 12)]
    // Memory is allocated one at a time, which the thread sanitizer does not see: its `Mutex` is none of what it knows.
    let lock = try memory.allocate(64)
    concurrently(2) { number in
      do {
        for round in 0..<(number == 0 ? 1 : 40) {
          let count = number == 0 ? 4000 : 100
          try Self.move(count, memory, domain, cpu: number, areas[number], lock, seed: UInt8(round))
        }
      } catch { Issue.record(error) }
    }
  }

  /// Moves buffers over a queue that lives as long as that takes.
  private static func move(
    _ count: Int, _ memory: GuestMemory, _ domain: IOMMUDomain, cpu: Int, _ area: GuestBuffer, _ lock: GuestBuffer,
    seed: UInt8
  ) throws {
    let path = IOMMUMapper(domain: domain, policy: .strict, cpu: cpu, counter: UncountedWork())
    var queue: Virtqueue<Split<IOMMUMapper<UncountedWork>>>
    do {
      unsafe cring_lock(lock.host.pointer)
      defer { unsafe cring_unlock(lock.host.pointer) }
      queue = try Virtqueue(split: 16, in: memory, over: path)
    }
    for turn in 0..<count {
      let at = turn % 16 << 12
      let value = UInt8(truncatingIfNeeded: turn) &+ seed
      area[at] = value
      let added = try queue.driver.add(area.segment(at: at, length: 64), .deviceReadable, token: UInt64(turn))
      #expect(added == .added)
      queue.driver.publish()
      let served = try queue.device.serve(atMost: 1) { _, segments throws(Never) in
        #expect(segments.copyOut().first == value)
        return 0
      }
      let done = try queue.driver.nextUsed()
      #expect(served == 1 && done?.token == UInt64(turn))
    }
  }

  /// Long enough for another thread to do what it should not.
  private static func pause() {
    let end = cring_nanoseconds() + 20_000_000
    while cring_nanoseconds() < end { cring_spin_hint() }
  }
}
