import RingKit
import Testing

@testable import VhostUser

/// What a network device holds of one front-end, or of one driver, is not there for the next.
@Suite struct LoopbackResetTests {
  private static let features = VirtioFeatures.version1.union(FrameDriver.mergeable)

  /// Leaves a frame that has no room, and a buffer that waits for more.
  private static func fill(_ driver: FrameDriver) throws {
    try driver.give(100, token: 0)
    try driver.send(FrameDriver.frame(7, 1000))
    #expect(try driver.queues[0].used().isEmpty)
    let device = driver.frontend.backend.device
    #expect(device.pairs[0].held.count == 1 && device.pairs[0].frames.count > 0)
  }

  private static func isInitial(_ device: LoopbackDevice) -> Bool {
    device.pairs.allSatisfy { $0.held.isEmpty && $0.frames.count == 0 } && !device.isMergeable
      && device.headerByteCount == 12
  }

  @Test func aFrontendThatGoesLeavesNothing() throws {
    let device = LoopbackDevice(pairCount: 2)
    do {
      let driver = try FrameDriver(device, features: Self.features)
      try Self.fill(driver)
      try driver.send(FrameDriver.frame(8, 10), pair: 1)
    }
    #expect(Self.isInitial(device))
  }

  @Test func aConnectionThatEndsWithAnErrorLeavesNothing() throws {
    let driver = try FrameDriver(LoopbackDevice(), features: Self.features)
    try Self.fill(driver)
    // The back-end is still there.
    #expect(try driver.frontend.failure(VhostUserMessage(request: 77)) == .unknownRequest(77))
    #expect(Self.isInitial(driver.frontend.backend.device))
  }

  /// It may be referred to for as long as a caller likes; its device is the next one's by then.
  @Test func aBackEndThatEndedLeavesTheNextOneAlone() throws {
    let device = LoopbackDevice()
    var first: FrameDriver? = try FrameDriver(device, features: Self.features)
    #expect(try first?.frontend.failure(VhostUserMessage(request: 77)) == .unknownRequest(77))
    let driver = try FrameDriver(device, features: Self.features)
    try Self.fill(driver)
    #expect(throws: VhostUserError.closed) { try first?.frontend.backend.step(milliseconds: 0) }
    first = nil
    #expect(device.isMergeable && device.pairs[0].held.count == 1 && device.pairs[0].frames.count > 0)
    try driver.give(2000, token: 1)
    #expect(try driver.queues[0].used().map(\.writtenByteCount) == [100, 912])
  }

  @Test func theNextFrontendReceivesWhatItSentAlone() throws {
    let device = LoopbackDevice()
    do { try Self.fill(try FrameDriver(device, features: Self.features)) }
    let driver = try FrameDriver(device, features: Self.features)
    // Where the first one's buffer lay; of this one the device never heard of it.
    unsafe UnsafeMutableRawBufferPointer(rebasing: driver.buffer.bytes[0..<4096])
      .initializeMemory(as: UInt8.self, repeating: 0xaa)
    try driver.give(2000, token: 5)
    #expect(try driver.queues[0].used().isEmpty)
    let frame = FrameDriver.frame(3, 500)
    try driver.send(frame)
    #expect(try driver.queues[0].used().map(\.token) == [5])
    #expect(driver.received(5, 12..<512) == frame)
    #expect(driver.received(0, 0..<4096).allSatisfy { $0 == 0xaa })
  }

  @Test func theNextFrontendsNotesAreWrittenWhereItsBuffersAre() throws {
    let device = LoopbackDevice()
    do {
      let driver = try FrameDriver(device, features: Self.features, size: 256)
      for n in 0..<200 {
        try driver.give(100, token: UInt64(n % 8))
        try driver.send(FrameDriver.frame(n, 10), token: UInt64(n % 4))
        _ = try driver.queues[0].used()
        _ = try driver.queues[1].used()
      }
      try Self.fill(driver)
    }
    let frontend = try ScriptedFrontend(device, features: Self.features)
    try frontend.negotiate(protocolFeatures: VhostUserOptions.allProtocolFeatures.subtracting(.config))
    let given = try frontend.ask(.getInflight(InflightDescription(queueCount: 2, queueSize: 16))).inflight()
    try frontend.tell(.setInflight(given.0, given.1))
    let queue = try ScriptedQueue(frontend, features: Self.features, size: 16)
    let room = try frontend.allocator.allocate(8192, alignment: 4096)
    try frontend.start(0, size: 16, base: 0, parts: queue.parts)
    try queue.add(writable: [room.segment(at: 0, length: 4000)], token: 0)
    frontend.kick.ring()
    try frontend.settle()
    #expect(try queue.used().isEmpty && device.pairs[0].held.isEmpty)
  }

  @Test func otherFeaturesAreThoseOfAnotherDriver() throws {
    let driver = try FrameDriver(LoopbackDevice(), features: Self.features)
    try Self.fill(driver)
    let (frontend, device) = (driver.frontend, driver.frontend.backend.device)
    func set(_ features: VirtioFeatures) throws {
      try frontend.tell(.setFeatures(VirtioFeatures(rawValue: features.rawValue | ProtocolFeatures.deviceBit)))
    }
    for index in 0..<2 as Range<UInt32> { _ = try frontend.ask(.getVringBase(VringState(index: index, value: 0))) }
    // The same features again, as after a pause: what was sent is still to be received.
    try set(Self.features)
    #expect(device.pairs[0].frames.count > 0)
    try set(.version1)
    #expect(Self.isInitial(device))
  }

  @Test func theDeviceIsResetWhenTheFrontendSaysSo() throws {
    let driver = try FrameDriver(LoopbackDevice(), features: Self.features)
    try Self.fill(driver)
    let (frontend, device) = (driver.frontend, driver.frontend.backend.device)
    #expect(try frontend.ask(.resetDevice, needsReply: true).number() == 0)
    #expect(device.pairs[0].held.isEmpty && device.pairs[0].frames.count == 0 && device.isMergeable)
    // All rings are stopped and disabled.
    try driver.send(FrameDriver.frame(1, 10), token: 1)
    #expect(!frontend.backend.vrings.contains { $0.isRunning || $0.isEnabled })
    for index in 0..<2 {
      let base = try frontend.ask(.getVringBase(VringState(index: UInt32(index), value: 0))).vringState().value
      try driver.start(index, base: base)
    }
    try driver.settle()
    #expect(try driver.queues[0].used().map(\.token) == [0])
    #expect(driver.received(0, 12..<22) == FrameDriver.frame(1, 10))
  }

  @Test func withoutTheProtocolFeatureThereIsNoReset() throws {
    let driver = try FrameDriver(LoopbackDevice(), features: Self.features)
    try driver.frontend.tell(.setProtocolFeatures([.replyAck]))
    #expect(try driver.frontend.failure(.resetDevice) == .notNegotiated(request: 34, feature: .resetDevice))
  }
}
