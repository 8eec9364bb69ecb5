import RingKit
import RingPlatform
import Testing

@testable import VhostUser

/// The device's status with the extension STATUS, at the back-end.
@Suite struct StatusTests {
  private static let set: DeviceStatus = [.acknowledge, .driver, .featuresOK, .driverOK]

  private func frontend(
    _ extensions: ProtocolFeatures = VhostUserOptions.allProtocolFeatures.union(.status)
  ) throws -> ScriptedFrontend<BlockDevice> {
    let file = ScratchFile(sectors: 8)
    var options = VhostUserOptions()
    #expect(!options.protocolFeatures.contains(.status))
    options.protocolFeatures.formUnion(extensions)
    let frontend = try ScriptedFrontend(
      try BlockDevice(path: file.path), features: .version1, options: options)
    try frontend.negotiate(protocolFeatures: extensions)
    return frontend
  }

  private func status(_ frontend: ScriptedFrontend<BlockDevice>) throws -> DeviceStatus {
    DeviceStatus(rawValue: UInt8(try frontend.ask(.getStatus).number()))
  }

  @Test func whatTheDriverWritesIsWhatItReads() throws {
    let frontend = try frontend()
    #expect(try status(frontend) == [])
    try frontend.tell(.setStatus([.acknowledge, .driver]))
    #expect(try status(frontend) == [.acknowledge, .driver])
    #expect(try frontend.ask(.setStatus(Self.set), needsReply: true).number() == 0)
    #expect(try status(frontend) == Self.set)
  }

  @Test func featuresThatWereNotSetAreNotAgreedOn() throws {
    let frontend = try frontend()
    try frontend.tell(.setStatus([]))
    try frontend.tell(.setStatus([.acknowledge, .driver, .featuresOK]))
    #expect(try status(frontend) == [.acknowledge, .driver])
    try frontend.tell(.setFeatures(frontend.features))
    try frontend.tell(.setStatus([.acknowledge, .driver, .featuresOK]))
    #expect(try status(frontend) == [.acknowledge, .driver, .featuresOK])
  }

  /// A front-end that never takes them, as a small server does not.
  @Test func failuresThatNobodyTakesAreOneAQueue() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    for _ in 0..<50 {
      try driver.start(base: 0x1_0000)
      frontend.kick.ring()
      try frontend.settle()
      _ = try frontend.ask(.getVringBase(VringState(index: 0, value: 0)))
    }
    #expect(frontend.backend.takeFailures().map(\.index) == [0])
  }

  @Test func zeroResetsTheDevice() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try frontend.tell(.setStatus(Self.set))
    #expect(try driver.perform(4, sector: 0).status == 0)
    try frontend.tell(.setStatus([]))
    #expect(try status(frontend) == [])
    try driver.add(4, sector: 0)
    frontend.kick.ring()
    try frontend.settle()
    #expect(try driver.nextUsed() == nil && !frontend.backend.vrings[0].isRunning)
  }

  @Test func aQueueThatCannotGoOnNeedsAReset() throws {
    let frontend = try frontend()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    try frontend.tell(.setStatus(Self.set))
    // A head that no descriptor has.
    let ring = unsafe SharedMemory(HostAddress(rawValue: driver.availableHost), byteCount: 64)
    ring.store16(99, 4)
    ring.storeRelease16(1, 2)
    frontend.kick.ring()
    try frontend.settle()
    #expect(try status(frontend) == Self.set.union(.needsReset))
    // As a front-end writes it that adds a bit to what it read.
    try frontend.tell(.setStatus(Self.set.union([.needsReset, .failed])))
    #expect(try status(frontend) == Self.set.union([.needsReset, .failed]))
    try frontend.tell(.setStatus([]))
    #expect(try status(frontend) == [])
  }

  @Test(arguments: [0x10, 0x20, 0x100, 1 << 63] as [UInt64]) func bitsThatMeanNothingEndTheConnection(
    word: UInt64
  ) throws {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    let message = VhostUserMessage(request: FrontendRequest.setStatus.rawValue, payload: bytes)
    #expect(try frontend().failure(message) == .status(word))
  }

  @Test func aBitThatIsTakenBackEndsTheConnection() throws {
    let frontend = try frontend()
    try frontend.tell(.setStatus(Self.set))
    #expect(
      try frontend.failure(.setStatus([.acknowledge, .driver]))
        == .statusCleared([.featuresOK, .driverOK], from: Self.set))
  }

  @Test(arguments: [.getStatus, .setStatus([])] as [FrontendMessage]) func itIsAgreedOnFirst(
    message: FrontendMessage
  ) throws {
    let frontend = try frontend(VhostUserOptions.allProtocolFeatures)
    #expect(
      try frontend.failure(message) == .notNegotiated(request: message.request.rawValue, feature: .status))
  }
}
