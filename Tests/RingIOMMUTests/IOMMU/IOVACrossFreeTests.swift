import CRing
import RingKit
import RingKitTesting
import Synchronization
import Testing

@testable import RingIOMMU

/// IOVAs that one CPU takes and another gives back, as when one interrupt's CPU reclaims what another's sent.
@Suite struct IOVACrossFreeTests {
  /// What one thread hands to the other, in a ring of its own.
  ///
  /// Ordered by the two counts alone: the thread sanitizer sees atomics, and does not see Swift's mutexes.
  @safe
  private final class Handover: @unchecked Sendable {
    static let slots = 512
    let shown = Atomic<Int>(0)
    let taken = Atomic<Int>(0)
    private let addresses: UnsafeMutablePointer<(IOVA, IOMMUMapping)?>
    private let work: UnsafeMutablePointer<WorkCounts>

    init() {
      unsafe addresses = .allocate(capacity: Self.slots)
      unsafe addresses.initialize(repeating: nil, count: Self.slots)
      unsafe work = .allocate(capacity: 2)
      unsafe work.initialize(repeating: WorkCounts(), count: 2)
    }

    deinit {
      unsafe addresses.deinitialize(count: Self.slots).deallocate()
      unsafe work.deinitialize(count: 2).deallocate()
    }

    subscript(i: Int) -> (IOVA, IOMMUMapping)? {
      get { unsafe addresses[i % Self.slots] }
      set { unsafe addresses[i % Self.slots] = newValue }
    }

    /// What a thread did; to be summed up once both have ended.
    func note(_ counts: WorkCounts, of number: Int) { unsafe work[number] = counts }

    var total: WorkCounts { unsafe work[0] + work[1] }
  }

  @Test(arguments: IOMMUPolicy.allCases)
  func whatOneCPUTakesAnotherGivesBack(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture {
      $0.servedBy = .deviceThread
      $0.cpuCount = 2
      $0.flushInterval = 100_000
    }
    let domain = guest.domain
    let handover = Handover()
    let total = 4_000
    concurrently(2) { number in
      var mapper = IOMMUMapper(domain: domain, policy: policy, cpu: number, counter: CountedWork())
      do {
        if number == 0 {
          for i in 0..<total {
            while i - handover.taken.load(ordering: .acquiring) >= Handover.slots {}
            let mapped = try mapper.map(guest.segment(i % 900 * 4096, UInt32(1 + i % 8_000)), .deviceReadable)
            handover[i] = (mapped.address, mapped.mapping)
            handover.shown.store(i + 1, ordering: .releasing)
          }
        } else {
          var live: Set<UInt64> = []
          for i in 0..<total {
            while handover.shown.load(ordering: .acquiring) <= i {}
            // Held back for a while, so that many are out at a time, and then freed in another order.
            let all = (i % 256 == 255 || i == total - 1) ? (i / 256 * 256...i).map { handover[$0] } : []
            for case (let address, let mapping)? in all.reversed() {
              #expect(live.insert(address.rawValue >> 12).inserted, "two live mappings share an IOVA")
              try mapper.unmap(mapping, .deviceReadable)
            }
            if !all.isEmpty {
              live.removeAll()
              handover.taken.store(i + 1, ordering: .releasing)
            }
          }
        }
        try mapper.flush()
      } catch { Issue.record(error) }
      handover.note(mapper.work.counts, of: number)
    }
    let work = handover.total
    #expect(work[.maps] == UInt64(total) && work[.unmaps] == UInt64(total))
    // Magazines that the freeing CPU filled came back by way of the depot.
    #expect(work[.iovaFromDepot] > 0)
    domain.core.allocator.flushCaches()
    #expect(domain.rangesInUse == 0)
  }

  @Test func aLockThatIsHeldIsCountedAsAWait() throws {
    let guest = try IOMMUFixture()
    let allocator = guest.domain.core.allocator
    let lock = unsafe SharedLock(allocator.cacheLock(0, 0))
    #expect(guest.domain.lockWaits == IOMMULockWaits(magazines: 0, depots: 0, tree: 0, invalidationQueue: 0))
    // As often as it takes for the other thread to come while the lock is held.
    var tries = 0
    while guest.domain.lockWaits.magazines == 0 && tries < 1_000 {
      tries += 1
      lock.lock()
      let other = TestThreadFlag()
      let thread = TestThread {
        other.raised.store(true, ordering: .releasing)
        var counter = CountedWork()
        if let page = try? allocator.allocate(pages: 1, cpu: 0, counter: &counter) {
          allocator.free(page, pages: 1, cpu: 0)
        }
      }
      while !other.raised.load(ordering: .acquiring) {}
      // No time is long enough for certain, hence the tries.
      for _ in 0..<tries * 1_000 { _ = other.raised.load(ordering: .relaxed) }
      lock.unlock()
      thread.join()
    }
    #expect(guest.domain.lockWaits.magazines > 0)
    #expect(guest.domain.lockWaits.invalidationQueue == 0)
  }

  private final class TestThreadFlag: Sendable {
    let raised = Atomic<Bool>(false)
  }
}

/// A lock of the library's, held by a test.
@safe
struct SharedLock: @unchecked Sendable {
  private let word: UnsafeMutableRawPointer

  init(_ word: UnsafeMutableRawPointer) { unsafe self.word = unsafe word }

  func lock() { unsafe cring_lock(word) }
  func unlock() { unsafe cring_unlock(word) }
}
