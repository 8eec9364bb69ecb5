import RingIOMMU
import RingKit
import RingKitTesting
import Testing

@testable import VhostUser

/// A device behind an IOMMU asks, and is told to forget.
@Suite(.timeLimit(.minutes(20))) struct FrontendIOTLBTests {
  private final class Session {
    let backend: ScriptedBackend
    let region: MemoryRegion
    let domain: IOMMUDomain
    let channel: VhostUserConnection
    var frontend: VhostUserFrontend { backend.frontend }

    init(timeout: Int = 60_000, _ script: @escaping ScriptedBackend.Script = { _, _ in [] }) throws {
      backend = try ScriptedBackend(timeout: timeout, script)
      region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 64 * 4096)
      let memory = try GuestMemory([region])
      var configuration = IOMMUConfiguration()
      configuration.servedBy = .waiter
      domain = IOMMUDomain(memory: memory, configuration: configuration)
      backend.start()
      try backend.frontend.negotiate([], required: .accessPlatform, queues: 1)
      try backend.frontend.share(memory)
      backend.frontend.attach(domain)
      channel = try #require(try backend.openChannel())
    }

    deinit { backend.stop() }

    func segment(_ page: UInt64) -> MemorySegment {
      MemorySegment(GuestPhysicalAddress(region.guestBase.rawValue + page * 4096), length: 4096)
    }

    func miss(_ address: IOVA, _ permissions: IOTLBPermissions) throws {
      let counted = frontend.counts.misses
      try channel.send(BackendMessage.iotlb(IOTLBMessage(.miss, address: address, permissions: permissions)).encoded())
      while frontend.counts.misses == counted { try frontend.service() }
    }

    /// The IOTLB messages so far, once there are that many.
    func messages(_ count: Int) -> [IOTLBMessage] {
      while true {
        let found = backend.requests.compactMap { request in
          if case .iotlb(let message) = request { message } else { nil }
        }
        if found.count >= count { return found }
      }
    }
  }

  @Test func aMissIsAnsweredWithWhereTheFrontendHasThePage() throws {
    let session = try Session()
    var mapper = IOMMUMapper(domain: session.domain, policy: .strict, counter: UncountedWork())
    let (address, mapping) = try mapper.map(session.segment(5), .deviceWritable)
    try session.miss(IOVA(address.rawValue + 17), .write)
    let update = try #require(session.messages(1).first)
    #expect(
      update
        == IOTLBMessage(
          .update, address: address, byteCount: 4096,
          userAddress: UInt64(session.region.hostBase.rawValue) + 5 * 4096, permissions: .write))
    // Taken back before the unmap returns.
    try mapper.unmap(mapping, .deviceWritable)
    #expect(session.messages(2).last == IOTLBMessage(.invalidate, address: address, byteCount: 4096))
    try session.miss(address, .write)
    #expect(session.frontend.counts.unmappedMisses == 1 && session.frontend.counts.updates == 1)
  }

  @Test func anAccessThatIsNotPermittedGetsNoAnswerUnlessWideningIsAllowed() throws {
    let session = try Session()
    var mapper = IOMMUMapper(domain: session.domain, policy: .strict, counter: UncountedWork())
    let (written, first) = try mapper.map(session.segment(0), .deviceWritable)
    let (read, second) = try mapper.map(session.segment(1), .deviceReadable)
    try session.miss(written, [.read, .write])
    #expect(session.frontend.counts.updates == 0)
    session.frontend.grantsReadWithWrite = true
    try session.miss(written, [.read, .write])
    #expect(session.messages(1).last?.permissions == [.read, .write])
    #expect(session.frontend.counts.updates == 1 && session.frontend.counts.widenedUpdates == 1)
    // Never the other way: what the device may only read it must not write.
    try session.miss(read, [.read, .write])
    #expect(session.frontend.counts.updates == 1 && session.frontend.counts.unmappedMisses == 2)
    try mapper.unmap(first, .deviceWritable)
    try mapper.unmap(second, .deviceReadable)
  }

  @Test func aFlushOfTheDomainLeavesTheRingsAlone() throws {
    let session = try Session()
    let buffer = GuestBuffer(whole: session.region).slice(at: 0, byteCount: 4096)
    let window = try PremappedBuffer(buffer, domain: session.domain)
    let ring = try SplitRing(in: buffer, size: 16)
    try session.frontend.start(
      0, VringSetup(ring, window: window, kick: try EventDoorbell(), call: try EventDoorbell()))
    var mapper = IOMMUMapper(domain: session.domain, policy: .lazy, counter: UncountedWork())
    let (_, mapping) = try mapper.map(session.segment(9), .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    try mapper.flush()
    let at = window.address.rawValue
    #expect(
      session.messages(2) == [
        IOTLBMessage(.invalidate, address: IOVA(0), byteCount: at),
        IOTLBMessage(.invalidate, address: IOVA(at + 4096), byteCount: 1 << 48 - at - 4096),
      ])
  }

  @Test func aBackendThatDoesNotForgetFailsTheUnmap() throws {
    let session = try Session { request, message in
      if case .iotlb = request { return [message.reply(1)] }
      return []
    }
    var mapper = IOMMUMapper(domain: session.domain, policy: .strict, counter: UncountedWork())
    let (_, mapping) = try mapper.map(session.segment(0), .deviceReadable)
    #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(mapping, .deviceReadable) }
    #expect(session.frontend.failure == .refused(.iotlb, code: 1))
  }

  @Test func whatIsAnnouncedIsKnownWhenMapReturns() throws {
    let session = try Session()
    var mapper = AnnouncingMapper(
      IOMMUMapper(domain: session.domain, policy: .strict, counter: UncountedWork()), to: session.frontend)
    // Two pages, two translations.
    let segment = MemorySegment(GuestPhysicalAddress(session.region.guestBase.rawValue + 4000), length: 200)
    let (address, mapping) = try mapper.map(segment, .deviceReadable)
    let first = IOVA(address.rawValue & ~4095)
    let host = UInt64(session.region.hostBase.rawValue)
    #expect(
      session.messages(0) == [
        IOTLBMessage(.update, address: first, byteCount: 4096, userAddress: host, permissions: .read),
        IOTLBMessage(
          .update, address: IOVA(first.rawValue + 4096), byteCount: 4096, userAddress: host + 4096, permissions: .read),
      ])
    try mapper.unmap(mapping, .deviceReadable)
    #expect(session.messages(0).last == IOTLBMessage(.invalidate, address: first, byteCount: 8192))
  }

  @Test func anAddressThatNoSegmentCanHaveIsNotAnnounced() throws {
    let session = try Session()
    var mapper = AnnouncingMapper(WrongMapper(), to: session.frontend)
    #expect(throws: DMAError.wrongAddress(WrongMapper.address, byteCount: 4096)) {
      try mapper.map(session.segment(0), .deviceReadable)
    }
    #expect(session.messages(0) == [] && session.frontend.counts.announcements == 0)
  }

  @Test func aBackendMayNotGiveTranslations() throws {
    let session = try Session()
    let lie = IOTLBMessage(.update, address: IOVA(0), byteCount: 4096, permissions: .read)
    try session.channel.send(BackendMessage.iotlb(lie).encoded())
    #expect(throws: FrontendError.wrongIOTLBMessage(lie)) {
      while true { try session.frontend.service() }
    }
  }

  @Test func partsOfARangeAreWhatIsLeft() {
    let range = IOMMURange(IOVA(0x1000), byteCount: 0x4000)
    let hole = { (at: UInt64, count: UInt64) in IOMMURange(IOVA(at), byteCount: count) }
    #expect(IOMMURange.parts(of: range, without: []) == [range])
    #expect(IOMMURange.parts(of: range, without: [hole(0x5000, 0x1000), hole(0, 0x1000)]) == [range])
    #expect(IOMMURange.parts(of: range, without: [hole(0, 0x9000)]) == [])
    #expect(
      IOMMURange.parts(of: range, without: [hole(0x2000, 0x1000), hole(0x4000, 0x2000)])
        == [hole(0x1000, 0x1000), hole(0x3000, 0x1000)])
  }

  /// A vring's pages are not taken back while the device works on it, and like any others once it is stopped.
  @Test func theWindowOfAVringThatIsStoppedIsForgotten() throws {
    let session = try Session()
    let buffer = GuestBuffer(whole: session.region).slice(at: 0, byteCount: 4096)
    let window = try PremappedBuffer(buffer, domain: session.domain)
    let ring = try SplitRing(in: buffer, size: 16)
    ring.clear()
    let setup = VringSetup(ring, window: window, kick: try EventDoorbell(), call: try EventDoorbell())
    try session.frontend.start(0, setup)
    try session.miss(window.address, .write)
    var mapper = IOMMUMapper(domain: session.domain, policy: .strict, counter: UncountedWork())
    let (_, mapping) = try mapper.map(session.segment(5), .deviceWritable)
    try mapper.unmap(mapping, .deviceWritable)
    #expect(!session.messages(2).contains { $0.kind == .invalidate && $0.address == window.address })
    _ = try session.frontend.stop(0)
    try window.release()
    #expect(session.messages(3).last == IOTLBMessage(.invalidate, address: window.address, byteCount: 4096))
  }

  /// A flood of what a back-end may send moves no deadline: of a clock that goes on by a millisecond in each turn, a
  /// request takes the milliseconds that it may wait.
  @Test func aFloodOfMissesDoesNotKeepARequestFromEnding() throws {
    let session = try Session(timeout: 200) { request, _ in
      if case .getConfig = request { return [ScriptedBackend.silence] }
      return []
    }
    let stop = StopFlag()
    var turns: UInt64 = 0
    session.frontend.clock.source = { turns * 1_000_000 }
    session.frontend.clock.sleep = { set, milliseconds throws(VhostUserError) in
      turns += 1
      // So that a fault ends as well.
      if turns == 10_000 { stop.raise() }
      _ = try set.wait(milliseconds: milliseconds)
    }
    let miss = BackendMessage.iotlb(IOTLBMessage(.miss, address: IOVA(0x7000_0000), permissions: .read)).encoded()
    let flooding = flood(session.channel.fileDescriptor, with: miss, until: stop)
    while session.frontend.counts.misses == 0 { try session.frontend.service() }
    let missed = session.frontend.counts.misses
    turns = 0
    #expect(throws: FrontendError.unanswered(.getConfig, milliseconds: 200)) {
      _ = try session.frontend.config(offset: 0, byteCount: 8)
    }
    stop.raise()
    flooding.join()
    #expect(turns == 200)
    // Many came meanwhile; a turn takes some of them.
    #expect((65...201 * 64).contains(session.frontend.counts.misses - missed))
  }
}

/// A path whose addresses leave no room for a page.
private struct WrongMapper: DMAMapper, ~Copyable {
  static let address = IOVA(.max - 4094)
  static var unmapped: Void { () }
  var work = UncountedWork()

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Void) { (Self.address, ()) }

  mutating func unmap(_ mapping: Void, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32 { 0 }
  mutating func poll() throws(DMAError) {}
  mutating func flush() throws(DMAError) {}
}
