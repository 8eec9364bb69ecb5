import CRing
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("The queue of unmaps that wait for a flush")
struct FlushQueueTests {
  @Test("a flush that failed when the timer struck is tried again an interval later")
  func again() throws {
    let guest = try IOMMUFixture {
      $0.servedBy = .deviceThread
      $0.invalidationTimeout = 1_000_000
      $0.flushInterval = 1000
    }
    var mapper = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    var translator = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let (address, mapping) = try mapper.map(guest.segment(0, 64), .deviceReadable)
    _ = try translator.translate(address, byteCount: 64, for: .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    Self.pause()
    // The device does not serve.
    for _ in 0..<2 {
      #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) { try mapper.poll() }
      Self.pause()
    }
    _ = try translator.translate(address, byteCount: 64, for: .deviceReadable)
    translator.shareThread(true)
    try mapper.poll()
    #expect(throws: DMAFault.notMapped(address)) {
      _ = try translator.translate(address, byteCount: 64, for: .deviceReadable)
    }
    #expect(mapper.work.counts[.invalidations] == 3)
    // And then no more until something waits.
    Self.pause()
    try mapper.poll()
    #expect(mapper.work.counts[.invalidations] == 3)
  }

  @Test("after a flush that failed another mapper's flush frees what was queued before it, as ever")
  func counted() throws {
    let guest = try IOMMUFixture {
      $0.servedBy = .deviceThread
      $0.invalidationTimeout = 1_000_000
    }
    var first = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    var second = IOMMUMapper(domain: guest.domain, policy: .lazy, counter: CountedWork())
    var translator = IOMMUTranslator(domain: guest.domain, counter: CountedWork())
    let (_, mapping) = try first.map(guest.segment(0, 64), .deviceReadable)
    try first.unmap(mapping, .deviceReadable)
    #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) { try first.flush() }
    translator.shareThread(true)
    let (_, other) = try second.map(guest.segment(0, 64), .deviceReadable)
    try second.unmap(other, .deviceReadable)
    try first.flush()
    // Nothing of it waits for a flush any more: there is none.
    try second.flush()
    #expect(second.work.counts[.invalidations] == 0)
  }

  /// Longer than an interval.
  private static func pause() {
    let end = cring_nanoseconds() + 100_000
    while cring_nanoseconds() < end { cring_spin_hint() }
  }
}
