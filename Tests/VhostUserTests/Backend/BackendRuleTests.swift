import CRing
import CVhostUAPI
import RingKit
import RingKitTesting
import Testing

@testable import VhostUser

/// What a front-end may not say in the state the connection is in: each ends it with an error of its own.
@Suite struct BackendRuleTests {
  private func frontend(features: VirtioFeatures = [.version1]) throws -> ScriptedFrontend<BlockDevice> {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features)
    try frontend.negotiate()
    return frontend
  }

  @Test(arguments: [1, 2, 128, UInt32.max]) func whateverIsNotZeroEnablesAVring(value: UInt32) throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    try frontend.tell(.setVringEnable(VringState(index: 0, value: value)))
    #expect(try driver.perform(4, sector: 0).status == 0)
  }

  @Test func featuresThatWereNotOffered() throws {
    #expect(
      try frontend().failure(.setFeatures(VirtioFeatures(rawValue: 1 << 60)))
        == .featuresNotOffered(VirtioFeatures(rawValue: 1 << 60)))
    #expect(
      try frontend().failure(.setProtocolFeatures(ProtocolFeatures(rawValue: 1 << 40)))
        == .protocolFeaturesNotOffered(ProtocolFeatures(rawValue: 1 << 40)))
  }

  @Test func whatNeedsAProtocolFeature() throws {
    let frontend = try frontend()
    try frontend.tell(.setProtocolFeatures([]))
    #expect(
      try frontend.failure(.getConfig(ConfigAccess(offset: 0, bytes: [0])))
        == .notNegotiated(request: 24, feature: .config))
    #expect(
      try self.frontend().failure(.iotlb(IOTLBMessage(.update, address: IOVA(0), byteCount: 4096)))
        == .featuresNotOffered(.accessPlatform))
  }

  @Test func aVringThatDoesNotExistOrIsImpossible() throws {
    #expect(try frontend().failure(.setVringSize(VringState(index: 1, value: 8))) == .vringIndex(1, count: 1))
    #expect(try frontend().failure(.setVringKick(index: 255, nil)) == .vringIndex(255, count: 1))
    for size in [0, 32_769, UInt32.max] {
      #expect(
        try frontend().failure(.setVringSize(VringState(index: 0, value: size)))
          == .vringSize(size, limit: 32_768))
    }
    let file = unsafe cvhost_file("no eventfd", 4096)
    #expect(
      try frontend().failure(.setVringKick(index: 0, PassedDescriptor(owning: file)))
        == .notAnEventFile(request: 12))
  }

  /// It stops, the message that would have started it is answered with that, and the connection goes on.
  @Test func aRingOutsideMemoryStopsAlone() throws {
    for (descriptors, expected) in [(UInt64(0x5000_0010_0000), 0x5000_0010_0000), (0, 0), (.max - 15, UInt64.max - 15)]
    {
      let frontend = try frontend()
      try frontend.tell(.setVringSize(VringState(index: 0, value: 16)))
      try frontend.tell(.setVringKick(index: 0, nil))
      try frontend.tell(.setVringEnable(VringState(index: 0, value: 1)))
      let address = VringAddress(
        index: 0, descriptors: descriptors, used: frontend.userBase, available: frontend.userBase)
      #expect(try frontend.ask(.setVringAddress(address), needsReply: true).number() == 1)
      let failure = VringFailure.setup(.vringAddress(index: 0, address: expected, byteCount: 256))
      #expect(frontend.backend.takeFailures().map(\.failure) == [failure])
      #expect(try frontend.ask(.getQueueCount).number() == 1)
    }
  }

  /// What a guest decides, a ring's size and what stands in it, stops its ring and nothing else.
  @Test func aRingThatStandsElsewhereOrIsNoRingStopsAlone() throws {
    func failures(_ size: Int, _ base: UInt32, _ features: VirtioFeatures = .version1) throws -> [VringFailure] {
      let frontend = try frontend(features: features)
      let driver = try DiskDriver(frontend)
      frontend.kick.ring()
      try frontend.start(size: size, base: base, parts: driver.parts)
      #expect(try frontend.ask(.getQueueCount).number() == 1)
      return frontend.backend.takeFailures().map(\.failure)
    }
    #expect(try failures(16, 0x8000) == [.setup(.vringPosition(index: 0, 0x8000))])
    #expect(try failures(15, 0) == [.setup(.vring(index: 0, .invalidSize(15)))])
    #expect(try failures(16, 0x8000_0001, [.version1, .packedRing]) == [.setup(.vringPosition(index: 0, 0x8000_0001))])
    #expect(try failures(16, 0x1_0000) == [.setup(.vringBase(0x1_0000))])
    #expect(try failures(16, 0x8010, [.version1, .packedRing]) == [.setup(.vringBase(0x8010))])
  }

  @Test func aMessageThatStartsAnImpossibleRingIsAnsweredWithThat() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try frontend.start(size: 15, base: 0, parts: driver.parts)
    let kick = FrontendMessage.setVringKick(index: 0, nil)
    #expect(try frontend.ask(kick, needsReply: true).number() == 1)
    #expect(try frontend.ask(.setVringEnable(VringState(index: 0, value: 0)), needsReply: true).number() == 0)
  }

  /// An IOVA is the guest's word.
  @Test func aTranslatedRingInSeveralPiecesStopsAlone() throws {
    let frontend = try frontend(features: [.version1, .accessPlatform])
    frontend.channel = nil
    for (page, offset) in [(UInt64(0), UInt64(0x4000)), (1, 0x8000)] {
      try frontend.tell(
        .iotlb(
          IOTLBMessage(
            .update, address: IOVA(page * 4096), byteCount: 4096, userAddress: frontend.userBase + offset,
            permissions: [.read, .write])))
    }
    frontend.kick.ring()
    let part = GuestPhysicalAddress(4096 - 16)
    try frontend.start(size: 16, base: 0, parts: (part, available: part, used: part))
    let failure = VringFailure.setup(.vringAddress(index: 0, address: 4080, byteCount: 256))
    #expect(frontend.backend.takeFailures().map(\.failure) == [failure])
  }

  @Test func aUsedIndexThatTheDriverChangedHarmsNothingWhenMemoryIsAdded() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    #expect(try driver.perform(4, sector: 0).status == 0)
    let used = driver.parts.used.rawValue - frontend.region.guestBase.rawValue
    let ring = unsafe SharedMemory(frontend.region.hostBase.advanced(by: Int(used)), byteCount: 64)
    ring.store16(77, 2)
    ring.store16(0xffff, 0)
    let file = PassedDescriptor(borrowing: try #require(frontend.region.fileDescriptor))
    let entry = MemoryTableEntry(
      guestAddress: frontend.region.guestBase, byteCount: UInt64(frontend.region.byteCount),
      userAddress: frontend.userBase)
    #expect(try frontend.ask(.setMemoryTable([entry], [file]), needsReply: true).number() == 0)
    #expect(frontend.backend.takeFailures().isEmpty)
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    try frontend.settle()
    // As if it had never been changed.
    #expect(ring.load16(2) == 2 && ring.load16(0) == 0)
    #expect(try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value == 2)
  }

  @Test func aFloodOfMessagesKeepsNeitherRingsNorTheEndWaiting() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    let stop = StopFlag()
    let flooding = flood(
      frontend.connection.fileDescriptor, with: FrontendMessage.setOwner.encoded(), until: stop)
    var asked = 0
    try frontend.backend.run {
      asked += 1
      return asked == 100
    }
    stop.raise()
    flooding.join()
    #expect(try driver.nextUsed() != nil)
  }

  @Test func memoryThatIsNotInItsFileOrOverlaps() throws {
    let frontend = try frontend()
    let file = PassedDescriptor(borrowing: try #require(frontend.region.fileDescriptor))
    func entry(_ guest: UInt64, _ count: UInt64, user: UInt64, offset: UInt64 = 0) -> MemoryTableEntry {
      MemoryTableEntry(
        guestAddress: GuestPhysicalAddress(guest), byteCount: count, userAddress: user, fileOffset: offset)
    }
    func failure(_ table: [MemoryTableEntry]) throws -> VhostUserError? {
      try self.frontend().failure(.setMemoryTable(table, table.map { _ in file }))
    }
    #expect(try failure([entry(0, 0, user: 0)]) == .memory(.invalidSize(0)))
    let tooLong = MemoryError.system(operation: "mapping \((1 << 20) + 1) bytes of a file", errno: 22)
    #expect(try failure([entry(0, (1 << 20) + 1, user: 0)]) == .memory(tooLong))
    let behind = MemoryError.system(operation: "mapping 4096 bytes of a file", errno: 22)
    #expect(try failure([entry(0, 4096, user: 0, offset: 1 << 20)]) == .memory(behind))
    #expect(try failure([entry(0, 4096, user: 0, offset: .max - 100)]) == .memory(behind))
    #expect(
      try failure([entry(0, 4096, user: 0), entry(4095, 4096, user: 1 << 30)])
        == .memory(.overlap(GuestPhysicalAddress(4095))))
    #expect(try failure([entry(0, 4096, user: 4096), entry(1 << 30, 4096, user: 8191)]) == .userAddressOverlap(8191))
    #expect(
      try failure([entry(0, 4096, user: .max - 100)])
        == .memory(.addressOverflow(GuestPhysicalAddress(0), byteCount: 4096)))
    #expect(
      try failure([entry(.max - 100, 4096, user: 0)])
        == .memory(.addressOverflow(GuestPhysicalAddress(.max - 100), byteCount: 4096)))
  }

  @Test func aTranslationThatLeadsNowhere() throws {
    func failure(_ message: IOTLBMessage) throws -> VhostUserError? {
      try frontend(features: [.version1, .accessPlatform]).failure(.iotlb(message))
    }
    for (count, user) in [(UInt64(0), UInt64(0x5000_0000_0000)), (4096, 0), (1 << 21, 0x5000_0000_0000)] {
      let message = IOTLBMessage(.update, address: IOVA(0), byteCount: count, userAddress: user, permissions: .read)
      #expect(try failure(message) == .translation(IOVA(0), byteCount: count, userAddress: user))
    }
    let wrapping = IOTLBMessage(.update, address: IOVA(.max), byteCount: 2, userAddress: 0x5000_0000_0000)
    #expect(try failure(wrapping) == .translation(IOVA(.max), byteCount: 2, userAddress: 0x5000_0000_0000))
    #expect(try failure(IOTLBMessage(.miss, address: IOVA(0))) == .iotlbMessage(type: 1, permissions: 0))
  }

  @Test func inflightMemoryThatDoesNotFit() throws {
    func failure(_ description: InflightDescription) throws -> VhostUserError? {
      let file = PassedDescriptor(owning: unsafe cvhost_file("inflight", 4096))
      return try frontend().failure(.setInflight(description, file))
    }
    func isInflight(_ error: VhostUserError?) -> Bool { if case .inflight = error { true } else { false } }
    #expect(isInflight(try failure(InflightDescription(byteCount: 0, queueCount: 1, queueSize: 16))))
    #expect(isInflight(try failure(InflightDescription(byteCount: 4096, queueCount: 2, queueSize: 16))))
    #expect(isInflight(try failure(InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 0))))
    #expect(isInflight(try failure(InflightDescription(byteCount: 64, fileOffset: 4, queueCount: 1, queueSize: 1))))
    let tooLong = MemoryError.system(operation: "mapping 8192 bytes of a file", errno: 22)
    #expect(
      try failure(InflightDescription(byteCount: 8192, queueCount: 1, queueSize: 16)) == .memory(tooLong))
  }

  @Test func inflightMemoryIsNotReplacedUnderARunningQueue() throws {
    let wanted = InflightDescription(queueCount: 1, queueSize: 16)
    // The queue's notes would go to memory that is no longer there.
    for request in [31, 32] as [UInt32] {
      let frontend = try frontend()
      let given = try frontend.ask(.getInflight(wanted)).inflight()
      try frontend.tell(.setInflight(given.0, given.1))
      let driver = try DiskDriver(frontend)
      try driver.start(base: 0)
      #expect(try driver.perform(4, sector: 0).status == 0)
      let failure = try frontend.failure(request == 31 ? .getInflight(wanted) : .setInflight(given.0, given.1))
      #expect(failure == .vringRuns(index: 0, request: request))
    }
  }

  @Test(arguments: [false, true]) func everythingIsFreedWithTheConnection(isWrong: Bool) throws {
    let file = unsafe cvhost_file("guest", 1 << 20)
    defer { cring_channel_close(file) }
    do {
      let frontend = try frontend()
      let passed = PassedDescriptor(borrowing: file)
      let table = (0..<4).map { i in
        MemoryTableEntry(
          guestAddress: GuestPhysicalAddress(UInt64(i) << 30), byteCount: 1 << 16, userAddress: UInt64(i) << 30,
          fileOffset: UInt64(i) << 17 + 512)
      }
      for _ in 0..<3 { try frontend.tell(.setMemoryTable(table, table.map { _ in passed })) }
      #expect(cvhost_open_descriptors(file) == 5 && cvhost_mappings(file) == 4)
      if isWrong {
        var message = FrontendMessage.setVringKick(index: 0, nil).encoded()
        message.descriptors = [passed]
        #expect(try frontend.failure(message) == .descriptorCount(request: 12, count: 1, expected: 0))
      }
    }
    #expect(cvhost_open_descriptors(file) == 1 && cvhost_mappings(file) == 0)
  }

  @Test func aDriversMistakeStopsItsQueueAlone() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    let error = try EventDoorbell()
    try frontend.tell(.setVringError(index: 0, PassedDescriptor(borrowing: error.fileDescriptor)))
    try driver.start(base: 0)
    // A head that no descriptor has.
    let ring = unsafe SharedMemory(HostAddress(rawValue: driver.availableHost), byteCount: 64)
    ring.store16(99, 4)
    ring.storeRelease16(1, 2)
    frontend.kick.ring()
    try frontend.settle()
    let failures = frontend.backend.takeFailures()
    #expect(failures.count == 1 && error.take())
    // The front-end can take the queue away and begin anew.
    #expect(try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value == 0)
    ring.store16(0, 2)
    ring.store16(0, 4)
    try driver.start(base: 0)
    #expect(try driver.perform(4, sector: 0).status == 0)
  }
}
