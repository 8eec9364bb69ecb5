import RingKit
import Testing

@testable import VhostUser

/// When a ring is processed, and when not ("Ring states"), and where it goes on.
@Suite struct RingStateTests {
  private static let layouts: [VirtioFeatures] = [.version1, [.version1, .packedRing]]

  private func frontend(features: VirtioFeatures = [.version1]) throws -> ScriptedFrontend<BlockDevice> {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features)
    try frontend.negotiate()
    return frontend
  }

  /// Whether a request that is in the ring already is done once the back-end had its turn.
  private func isServed(_ driver: DiskDriver) throws -> Bool {
    try driver.frontend.settle()
    return try driver.nextUsed() != nil
  }

  @Test(arguments: layouts) func theFirstKickStartsARing(features: VirtioFeatures) throws {
    let driver = try DiskDriver(try frontend(features: features))
    try driver.add(4, sector: 0)
    try driver.start(base: driver.frontend.firstBase)
    #expect(try !isServed(driver) && !driver.frontend.backend.vrings[0].isRunning)
    driver.frontend.kick.ring()
    #expect(try isServed(driver))
  }

  @Test(arguments: layouts) func aKickBeforeEverythingElseIsNotLost(features: VirtioFeatures) throws {
    let driver = try DiskDriver(try frontend(features: features))
    try driver.add(4, sector: 0)
    driver.frontend.kick.ring()
    let file = PassedDescriptor(borrowing: driver.frontend.kick.fileDescriptor)
    try driver.frontend.tell(.setVringKick(index: 0, file))
    try driver.start(base: driver.frontend.firstBase)
    #expect(try isServed(driver))
  }

  @Test func aRingThatIsPolledStartsAtOnce() throws {
    let driver = try DiskDriver(try frontend())
    try driver.add(4, sector: 0)
    try driver.start(base: 0)
    try driver.frontend.connection.send(FrontendMessage.setVringKick(index: 0, nil).encoded())
    for _ in 0..<8 { _ = try driver.frontend.backend.step(milliseconds: 0) }
    #expect(try driver.nextUsed() != nil)
  }

  /// The kick that the first one took does not come again.
  @Test(arguments: layouts) func aRingThatGoesOnNeedsNoKick(features: VirtioFeatures) throws {
    let frontend = try frontend(features: features)
    let driver = try DiskDriver(frontend)
    try driver.start(base: frontend.firstBase)
    #expect(try driver.perform(4, sector: 0).status == 0)
    let base = try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    try driver.add(4, sector: 0)
    try driver.start(base: base)
    #expect(try isServed(driver))
  }

  @Test(arguments: layouts) func aKickThatWasTakenInVainIsGivenBack(features: VirtioFeatures) throws {
    let frontend = try frontend(features: features)
    let driver = try DiskDriver(frontend)
    try driver.start(base: frontend.firstBase)
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    #expect(try !isServed(driver) && !frontend.kick.take())
    let base = try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    #expect(base == frontend.firstBase)
    try driver.start(base: base)
    #expect(try isServed(driver))
  }

  @Test func aDisabledRingIsServedOnceItIsEnabled() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    #expect(try driver.perform(4, sector: 0).status == 0)
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    #expect(try !isServed(driver))
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 1)))
    #expect(try isServed(driver))
  }

  @Test(arguments: layouts) func withoutFeatureBit30ARingIsEnabledFromTheStart(features: VirtioFeatures) throws {
    let frontend = try frontend(features: features)
    try frontend.tell(.setFeatures(features))
    let driver = try DiskDriver(frontend)
    try driver.start(base: frontend.firstBase)
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    #expect(try driver.perform(4, sector: 0).status == 0)
  }

  @Test func aRingIsDisabledAgainOnceFeatureBit30IsSet() throws {
    let frontend = try frontend()
    let file = PassedDescriptor(borrowing: frontend.kick.fileDescriptor)
    for features in [VirtioFeatures.version1.rawValue, VirtioFeatures.version1.rawValue | ProtocolFeatures.deviceBit] {
      try frontend.tell(.setFeatures(VirtioFeatures(rawValue: features)))
    }
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try frontend.tell(.setVringEnable(VringState(index: 0, value: 0)))
    try frontend.tell(.setVringKick(index: 0, file))
    #expect(!frontend.backend.isEnabled(frontend.backend.vrings[0]))
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    #expect(try !isServed(driver))
  }

  @Test func resetOwnerChangesNothing() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    #expect(try driver.perform(4, sector: 0).status == 0)
    try frontend.tell(.resetOwner)
    #expect(try driver.perform(4, sector: 0).status == 0)
    let file = PassedDescriptor(borrowing: try #require(frontend.region.fileDescriptor))
    let entry = MemoryTableEntry(
      guestAddress: frontend.region.guestBase, byteCount: UInt64(frontend.region.byteCount),
      userAddress: frontend.userBase)
    try frontend.tell(.setMemoryTable([entry], [file]))
    #expect(try driver.perform(4, sector: 0).status == 0)
  }

  @Test(arguments: layouts) func aDisabledNetworkRingTakesFramesAndDropsThem(layout: VirtioFeatures) throws {
    let device = LoopbackDevice()
    let driver = try FrameDriver(device, features: layout)
    func enable(_ value: UInt32) throws {
      for index in 0..<2 as Range<UInt32> {
        try driver.frontend.tell(.setVringEnable(VringState(index: index, value: value)))
      }
    }
    try enable(0)
    try driver.give(2000, token: 1)
    try driver.send(FrameDriver.frame(1, 100))
    #expect(try driver.queues[1].used().count == 1)
    #expect(try driver.queues[0].used().isEmpty)
    try enable(1)
    try driver.send(FrameDriver.frame(2, 200))
    #expect(try driver.queues[0].used().map(\.writtenByteCount) == [212])
    #expect(driver.received(1, 12..<212) == FrameDriver.frame(2, 200) && device.dropped == 1 && device.returned == 1)
  }
}

/// The positions at which a front-end may say that a ring goes on.
@Suite struct RingBaseTests {
  private func frontend(features: VirtioFeatures) throws -> ScriptedFrontend<BlockDevice> {
    let file = ScratchFile(sectors: 8)
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: features)
    try frontend.negotiate()
    return frontend
  }

  /// A ring of 16 as a driver of its own keeps it, with one request that only flushes.
  private func write(
    _ frontend: ScriptedFrontend<BlockDevice>, _ body: (SharedMemory) -> Void
  ) throws -> (GuestBuffer, SharedMemory) {
    let memory = try frontend.allocator.allocate(8192, alignment: 4096)
    let view = unsafe SharedMemory(memory.host, byteCount: 8192)
    for offset in stride(from: 0, to: 8192, by: 8) { view.store64(0, offset) }
    view.store32(4, 4096)
    view.store32(0xee, 4096 + 1024)
    body(view)
    return (memory, view)
  }

  private func start(_ frontend: ScriptedFrontend<BlockDevice>, _ memory: GuestBuffer, base: UInt32) throws {
    func at(_ offset: UInt64) -> GuestPhysicalAddress { GuestPhysicalAddress(memory.address.rawValue + offset) }
    try frontend.start(size: 16, base: base, parts: (at(0), available: at(256), used: at(512)))
    frontend.kick.ring()
    try frontend.settle()
  }

  /// The available index may be ahead of the used one: what lies between is another device's.
  @Test func aSplitRingGoesOnBehindWhatAnotherDeviceHasInFlight() throws {
    let frontend = try frontend(features: .version1)
    let (memory, view) = try write(frontend) { view in
      view.store16(6, 256 + 2)
      view.store16(0, 256 + 4 + 2 * 5)
      view.store16(3, 512 + 2)
    }
    let address = memory.address.rawValue
    view.store64(address + 4096, 0)
    view.store64(16 | 1 << 32 | 1 << 48, 8)
    view.store64(address + 4096 + 1024, 16)
    view.store64(1 | 2 << 32, 24)
    try start(frontend, memory, base: 5)
    // The used entry behind the last one that is published, which is 3.
    #expect(view.load16(512 + 2) == 4 && view.load32(512 + 4 + 8 * 3) == 0 && view.load32(512 + 8 + 8 * 3) == 1)
    #expect(try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value == 6)
  }

  @Test(
    arguments: [
      // Both positions at the beginning of the second lap; the used one behind; nothing said of it; a whole lap apart.
      (0, 0, 0, false), (0x0002, 2, 0, false), (0x8003, 3, 3, true), (0x8004_0001, 1, 4, false),
      (0x8000_8000, 0, 0, true),
    ] as [(UInt32, Int, Int, Bool)])
  func aPackedRingGoesOnAtBothPositions(base: UInt32, next: Int, used: Int, lap: Bool) throws {
    let frontend = try frontend(features: [.version1, .packedRing])
    let (memory, view) = try write(frontend) { _ in }
    let available: UInt64 = lap ? 0x80 : 0x8000
    let address = memory.address.rawValue
    view.store64(address + 4096, 16 * next)
    view.store64(address + 4096 + 1024, 16 * next + 16)
    view.store64(1 | 7 << 32 | (available | 2) << 48, 16 * next + 24)
    view.store64(16 | 7 << 32 | (available | 1) << 48, 16 * next + 8)
    try start(frontend, memory, base: base)
    let word = view.load64(16 * used + 8)
    // In its lap a used descriptor has both bits alike.
    let usedLap = base >> 16 == 0 ? lap : base >> 31 == 1
    #expect(word & 0xffff_ffff_ffff == 1 | 7 << 32 && (word >> 48) & 0x8080 == (usedLap ? 0x8080 : 0))
    #expect(frontend.backend.takeFailures().isEmpty)
  }

  @Test func positionsThatAreFurtherApartThanTheRingIsLongStopIt() throws {
    let frontend = try frontend(features: .version1)
    let (memory, _) = try write(frontend) { $0.store16(5, 512 + 2) }
    try start(frontend, memory, base: 22)
    #expect(frontend.backend.takeFailures().map(\.failure) == [.setup(.vringPosition(index: 0, 22))])
  }
}
