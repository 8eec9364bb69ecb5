import CRing
import RingKit
import RingKitTesting
import TestTraits
import Testing

@testable import RingIOMMU

@Suite("What a device in another process says of the invalidation queue")
struct HostileCompletionTests {
  @Test("more than was posted is a typed error, and the range stays reserved", arguments: [3, 1 << 32, UInt64.max])
  func tooFar(value: UInt64) throws {
    let fixture = try SharedDomainFixture(servedBy: .deviceThread)
    var mapper = fixture.mapper()
    let (address, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    fixture.setCompletion(value)
    #expect(throws: DMAError.wrongCompletion(found: value, posted: 2)) { try mapper.unmap(mapping, .deviceReadable) }
    fixture.pair.attachment.detach()
    for _ in 0..<600 {
      let (other, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
      #expect(other.rawValue >> 12 != address.rawValue >> 12)
      try mapper.unmap(mapping, .deviceReadable)
    }
  }

  @Test("nothing, or less than before, is waited for until the time-out; when all slots wait, nothing more is posted")
  func tooLittle() throws {
    let fixture = try SharedDomainFixture(servedBy: .deviceThread, timeout: 1_000_000)
    var mapper = fixture.mapper()
    for turn in 0..<140 {
      let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
      #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000), "turn \(turn)") {
        try mapper.unmap(mapping, .deviceReadable)
      }
    }
    #expect(fixture.pair.domain.core.invalidations.tail == 256)
    // Said of what was never taken: the device's own loss.
    fixture.setCompletion(256)
    let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) {
      try mapper.unmap(mapping, .deviceReadable)
    }
    #expect(fixture.pair.domain.core.invalidations.tail == 258)
  }

  @Test("anything at any time ends each unmap with success or a typed error")
  func scribbled() throws {
    let fixture = try SharedDomainFixture(servedBy: .deviceThread, timeout: 200_000)
    let stop = StopFlag()
    let page = fixture.pair.there.completions
    let device = TestThread {
      var generator = SeededGenerator(for: "completions")
      while !stop.isRaised {
        let bits = UInt64.random(in: 0...63, using: &generator)
        let value = UInt64.random(in: .min ... .max, using: &generator) >> bits
        for _ in 0..<UInt64.random(in: 1...50, using: &generator) { cring_spin_hint() }
        unsafe cring_store_release_64(page.hostBase.pointer, value)
      }
    }
    var mapper = fixture.mapper()
    var (done, wrong, late) = (0, 0, 0)
    for _ in 0..<2000 {
      let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
      do throws(DMAError) {
        try mapper.unmap(mapping, .deviceReadable)
        done += 1
      } catch {
        switch error {
        case .wrongCompletion(let found, let posted):
          wrong += 1
          #expect(found > posted)
        case .invalidationTimedOut: late += 1
        default: Issue.record(error)
        }
      }
    }
    stop.raise()
    device.join()
    #expect(wrong > 0, "\(done) done, \(wrong) wrong, \(late) late")
  }

  @Test("the end of the process ends a wait that is under way, and every later one; detached, it is waited for no more")
  func ended() throws {
    // So long that only the end can end it.
    let fixture = try SharedDomainFixture(servedBy: .deviceThread, timeout: .max / 2)
    var mapper = fixture.mapper()
    let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    let (_, second) = try mapper.map(fixture.guest.segment(4096, 64), .deviceReadable)
    let (_, third) = try mapper.map(fixture.guest.segment(8192, 64), .deviceReadable)
    let pair = fixture.pair
    let watcher = TestThread {
      // The request is there: the wait has begun, or is about to.
      while pair.domain.core.invalidations.tail == 0 {}
      pair.attachment.processEnded()
    }
    #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(mapping, .deviceReadable) }
    watcher.join()
    #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(second, .deviceReadable) }
    pair.attachment.detach()
    try mapper.unmap(third, .deviceReadable)
    // Neither is heard of again.
    pair.attachment.processEnded()
    pair.attachment.detach()
  }

  @Test("a successor answers in a page of its own: what the one before still writes counts no more")
  func successor() throws {
    let fixture = try SharedDomainFixture(servedBy: .deviceThread, timeout: 1_000_000)
    var mapper = fixture.mapper()
    fixture.pair.attachment.processEnded()
    fixture.pair.attachment.detach()
    let attachment = try DomainAttachment(fixture.pair.domain)
    let (_, mapping) = try mapper.map(fixture.guest.segment(0, 64), .deviceReadable)
    fixture.setCompletion(2)
    #expect(throws: DMAError.invalidationTimedOut(nanoseconds: 1_000_000)) {
      try mapper.unmap(mapping, .deviceReadable)
    }
    let there = try SharedDomainPair.map(attachment.shared)
    // It begins where the queue is: what was asked before cannot concern it.
    let device = RemoteIOMMUTranslator(domain: there, memory: fixture.guest.memory, counter: UncountedWork())
    #expect(unsafe cring_load_acquire_64(there.completions.hostBase.pointer) == 2)
    _ = consume device
  }

  @Test("translators of this process have no slot in a shared domain, nor has one too many", .afterTheOthers)
  func slots() async throws {
    await #expect(processExitsWith: .failure) {
      let fixture = try SharedDomainFixture()
      _ = IOMMUTranslator(domain: fixture.pair.domain, counter: UncountedWork())
    }
    await #expect(processExitsWith: .failure) { _ = try DomainAttachment(try IOMMUFixture().domain) }
  }
}
