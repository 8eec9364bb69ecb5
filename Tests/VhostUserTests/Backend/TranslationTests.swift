import RingIOMMU
import RingKit
import Testing

@testable import VhostUser

/// IOTLB messages while a queue runs.
@Suite struct TranslationTests {
  @Test(arguments: [VirtioFeatures(), .packedRing]) func whatWasTakenBackIsAskedForAgain(layout: VirtioFeatures) throws
  {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(
      try BlockDevice(path: file.path), features: layout.union([.version1, .accessPlatform]))
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: driver.frontend.firstBase)
    #expect(try driver.perform(0, sector: 3, room: 512).data.allSatisfy { $0 == 3 })
    let first = frontend.answered.count
    #expect(try driver.perform(0, sector: 4, room: 512).data.allSatisfy { $0 == 4 })
    #expect(frontend.answered.count == first)
    // The page that is read into.
    let page = IOTLBMessage(
      .invalidate, address: IOVA(driver.buffer.address.rawValue + 32_768), byteCount: 4096)
    #expect(try frontend.ask(.iotlb(page), needsReply: true).number() == 0)
    #expect(try driver.perform(0, sector: 5, room: 512).data.allSatisfy { $0 == 5 })
    #expect(frontend.answered.count == first + 1 && frontend.answered.last?.permissions == .write)
    #expect(frontend.answered.last?.address == page.address)
    // Everything, the ring's own pages among it, though the queue runs.
    let all = IOTLBMessage(.invalidate, address: IOVA(0), byteCount: .max)
    #expect(try frontend.ask(.iotlb(all), needsReply: true).number() == 0)
    #expect(try driver.perform(0, sector: 6, room: 512).data.allSatisfy { $0 == 6 })
    #expect(frontend.answered.count > first + 3 && frontend.backend.counts.starts == 2)
    #expect(frontend.backend.counts.invalidations == 2 && frontend.backend.takeFailures().isEmpty)
  }

  /// Neither after a reset nor with other features: the driver that they were given for is gone.
  @Test(arguments: [true, false]) func anotherDriversTranslationsAreForgotten(isReset: Bool) throws {
    let file = ScratchFile(sectors: 8)
    let features: VirtioFeatures = [.version1, .accessPlatform]
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features)
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    #expect(try driver.perform(0, sector: 3, room: 512).data.allSatisfy { $0 == 3 })
    let base = try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    func restart() throws -> Int {
      let before = frontend.answered.count
      try driver.start(base: base)
      #expect(try driver.perform(0, sector: 4, room: 512).data.allSatisfy { $0 == 4 })
      _ = try frontend.ask(.getVringBase(VringState(index: 0, value: 0)))
      return frontend.answered.count - before
    }
    if isReset {
      #expect(try frontend.ask(.resetDevice, needsReply: true).number() == 0)
    } else {
      for more in [VirtioFeatures.eventIndex, []] {
        let wanted = features.union(more).rawValue | ProtocolFeatures.deviceBit
        try frontend.tell(.setFeatures(VirtioFeatures(rawValue: wanted)))
      }
    }
    #expect(try restart() > 0)
  }

  @Test func anAddressThatNobodyKnowsStopsTheQueue() throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1, .accessPlatform])
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try driver.addBare(MemorySegment(GuestPhysicalAddress(0x7777_0000), length: 16))
    frontend.kick.ring()
    try frontend.settle()
    let failures = frontend.backend.takeFailures()
    #expect(failures.first?.failure == .queue(.fault(.notMapped(IOVA(0x7777_0000)))))
    #expect(frontend.answered.last?.address == IOVA(0x7777_0000) && frontend.answered.last?.permissions == .read)
  }

  /// All translations of a chain have to be known at a time: one over more pages than are kept fails by name, after as
  /// many misses as fill the table twice, and one over as many as are kept is served.
  @Test(arguments: [VirtioFeatures(), .packedRing]) func aChainOverMorePagesThanAreKeptFailsByName(
    layout: VirtioFeatures
  ) throws {
    let (file, limit) = (ScratchFile(sectors: 128), 8)
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
    let frontend = try ScriptedFrontend(
      try BlockDevice(path: file.path), features: layout.union([.version1, .accessPlatform]), region: region)
    frontend.backend.translations[0] = DeviceIOTLB(limit: limit)
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: driver.frontend.firstBase)
    let before = frontend.answered.count
    // Header and status lie in a page each.
    #expect(try driver.perform(0, sector: 0, room: (limit - 2) * 4096 - 1536).status == 0)
    #expect(frontend.answered.count < before + 3 * limit)
    let fits = frontend.answered.count
    try driver.add(0, sector: 0, room: limit * 4096 - 2048)
    frontend.kick.ring()
    try frontend.settle()
    guard case .queue(.fault(.tooManyTranslations(_, limit))) = frontend.backend.takeFailures().first?.failure else {
      Issue.record("the chain neither failed nor ended")
      return
    }
    #expect(frontend.answered.count <= fits + 2 * limit + 1)
    // The connection goes on, and so does the ring once it was stopped.
    #expect(try frontend.ask(.getQueueCount).number() == 1)
  }

  @Test func aMissIsSentOnceUntilItIsAnswered() throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1, .accessPlatform])
    try frontend.negotiate()
    let channel = try #require(frontend.channel)
    frontend.channel = nil
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    for _ in 0..<5 {
      frontend.kick.ring()
      try frontend.settle()
    }
    #expect(frontend.backend.counts.misses == 1)
    // Everything else is served meanwhile.
    #expect(try frontend.ask(.getQueueCount).number() == 1)
    #expect(try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value == 0)
    _ = channel
  }

  /// Without REPLY_ACK a front-end that has no translation says nothing; later it may have one.
  @Test(arguments: [true, false]) func aMissThatNothingWaitsForIsSentAgain(isReset: Bool) throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1, .accessPlatform])
    let extensions = VhostUserOptions.allProtocolFeatures
    try frontend.negotiate()
    try frontend.tell(.setProtocolFeatures(extensions.subtracting(.replyAck)))
    let channel = try #require(frontend.channel)
    frontend.channel = nil
    let driver = try DiskDriver(frontend)
    for round in 1...3 as ClosedRange<UInt64> {
      try driver.start(base: 0)
      frontend.kick.ring()
      try frontend.settle()
      #expect(frontend.backend.counts.misses == round)
      if isReset {
        try frontend.tell(.resetDevice)
      } else {
        _ = try frontend.ask(.getVringBase(VringState(index: 0, value: 0)))
      }
    }
    _ = channel
  }

  /// Each start of a ring where another one lies asks for another page, and what was asked before stays unanswered.
  @Test func aFrontendThatAnswersNoneOf1024MissesIsLeft() throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1, .accessPlatform])
    try frontend.negotiate()
    let channel = try #require(frontend.channel)
    frontend.channel = nil
    let driver = try DiskDriver(frontend)
    func restart(_ page: Int) throws {
      let base = GuestPhysicalAddress(UInt64(1 << 40 + page * 4096))
      _ = try frontend.ask(.getVringBase(VringState(index: 0, value: 0)))
      try frontend.start(size: driver.size, base: 0, parts: (base, driver.parts.available, driver.parts.used))
      frontend.kick.ring()
      try frontend.settle()
    }
    var misses = 0
    for page in 0..<1024 {
      try restart(page)
      // Read, or the socket would fill up first.
      while let message = try channel.receive() {
        guard case .iotlb(let miss) = try BackendMessage(message) else { continue }
        #expect(miss.address == IOVA(UInt64(1 << 40 + page * 4096)))
        misses += 1
      }
    }
    #expect(misses == 1024 && frontend.backend.counts.misses == 1024)
    // One that was asked already is not asked again, so it does not count.
    try restart(7)
    #expect(frontend.backend.counts.misses == 1024)
    #expect(throws: VhostUserError.missesUnanswered(1024)) { try restart(1024) }
    #expect(frontend.backend.counts.misses == 1024)
  }

  @Test(arguments: [VirtioFeatures(), .packedRing])
  func aTranslationOfTheRingThatIsReplacedIsHeeded(layout: VirtioFeatures) throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(
      try BlockDevice(path: file.path), features: layout.union([.version1, .accessPlatform]))
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: frontend.firstBase)
    #expect(try driver.perform(4, sector: 0).status == 0)
    let page = IOVA(driver.parts.used.rawValue & ~4095)
    let offset = page.rawValue - frontend.region.guestBase.rawValue
    func update(_ permissions: IOTLBPermissions) throws {
      let message = IOTLBMessage(
        .update, address: page, byteCount: 4096, userAddress: frontend.userBase + offset, permissions: permissions)
      try frontend.connection.send(FrontendMessage.iotlb(message).encoded(needsReply: true))
      while try frontend.backend.step(milliseconds: 0) {}
      #expect(try frontend.connection.receive()?.number() == 0)
    }
    // The same again changes nothing; without permission to write the ring stands still.
    try update([.read, .write])
    #expect(frontend.backend.vrings[0].isRunning && frontend.backend.counts.starts == 1)
    try update(.read)
    #expect(!frontend.backend.vrings[0].isRunning)
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    while try frontend.backend.step(milliseconds: 0) {}
    #expect(try driver.nextUsed() == nil)
    try update([.read, .write])
    try frontend.settle()
    #expect(try driver.nextUsed() != nil && frontend.backend.counts.starts == 2)
  }

  @Test func buffersThatADeviceHoldsAreFetchedAgainWhereTheirTranslationIsReplaced() throws {
    let features = VirtioFeatures([.version1, .accessPlatform]).union(FrameDriver.mergeable)
    let driver = try FrameDriver(LoopbackDevice(), features: features)
    let frontend = driver.frontend
    try driver.give(100, token: 0)
    try driver.send(FrameDriver.frame(1, 300))
    #expect(frontend.backend.device.pairs[0].held.count == 1)
    // The page of the buffer lies elsewhere from now on: where that of token 9 is.
    let page = driver.buffer.address.rawValue
    let other = frontend.userBase + page - frontend.region.guestBase.rawValue + 9 * 4096
    try frontend.tell(
      .iotlb(
        IOTLBMessage(.update, address: IOVA(page), byteCount: 4096, userAddress: other, permissions: [.read, .write])))
    while try frontend.connection.receive() != nil {}
    unsafe UnsafeMutableRawBufferPointer(rebasing: driver.buffer.bytes[0..<100])
      .initializeMemory(as: UInt8.self, repeating: 0xaa)
    try driver.give(400, token: 2)
    #expect(try driver.queues[0].used().map(\.token) == [0, 2])
    #expect(driver.received(0, 0..<100).allSatisfy { $0 == 0xaa })
    #expect(driver.received(9, 12..<100) == [UInt8](FrameDriver.frame(1, 300).prefix(88)))
  }

  @Test func whatAChannelDidNotAnswerIsAskedOnTheNext() throws {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: [.version1, .accessPlatform])
    try frontend.negotiate()
    let first = try #require(frontend.channel)
    frontend.channel = nil
    let driver = try DiskDriver(frontend)
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    try driver.start(base: 0)
    #expect(frontend.backend.vrings[0].waiting != nil && frontend.backend.counts.misses == 1)
    let (near, far) = try VhostUserConnection.channel()
    #expect(try frontend.ask(.setBackendChannel(far), needsReply: true).number() == 0)
    frontend.channel = near
    try frontend.settle()
    #expect(try driver.nextUsed() != nil && frontend.backend.counts.misses > 1)
    _ = first
  }
}
