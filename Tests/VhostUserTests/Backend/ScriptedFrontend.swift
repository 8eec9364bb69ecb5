import RingKit
import Synchronization
import Testing
import VhostUser

/// A front-end that says what a test wants it to, on the back-end's own thread: each message is served before the next.
final class ScriptedFrontend<Device: VhostUserDevice> {
  let connection: VhostUserConnection
  var backend: VhostUserBackend<Device>
  let region: MemoryRegion
  var allocator: RegionAllocator
  let kick: EventDoorbell
  let call: EventDoorbell
  let features: VirtioFeatures
  var channel: VhostUserConnection?
  /// Where it says that it has the region mapped: nowhere, so an address that is used as it stands is noticed.
  let userBase: UInt64 = 0x5000_0000_0000
  /// Misses that were answered.
  var answered: [IOTLBMessage] = []
  var inflight: (InflightDescription, PassedDescriptor)?

  var isTranslating: Bool { features.contains(.accessPlatform) }

  /// Where a queue begins: on a packed ring both wrap counters are 1.
  var firstBase: UInt32 { features.contains(.packedRing) ? 0x8000_8000 : 0 }

  init(
    _ device: Device, features: VirtioFeatures, region: MemoryRegion? = nil,
    options: VhostUserOptions = VhostUserOptions()
  ) throws {
    let (near, far) = try VhostUserConnection.pair()
    connection = near
    backend = VhostUserBackend(far, device: device, options: options)
    backend.clock = .jumping(by: VhostUserBackend<Device>.busyNanoseconds)
    self.features = features
    self.region = try region ?? MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
    allocator = RegionAllocator(self.region)
    kick = try EventDoorbell()
    call = try EventDoorbell()
  }

  /// Sends and lets the back-end serve it.
  func tell(_ message: FrontendMessage) throws {
    try connection.send(message.encoded())
    try settle()
  }

  /// The same, for what is answered.
  func ask(_ message: FrontendMessage, needsReply: Bool = false) throws -> VhostUserMessage {
    try connection.send(message.encoded(needsReply: needsReply))
    try settle()
    let answer = try #require(try connection.receive())
    #expect(answer.request == message.request.rawValue && answer.flags.contains(.reply))
    return answer
  }

  /// Lets the back-end do all that there is to do; answers what it asks.
  func settle() throws {
    repeat { while try backend.step(milliseconds: 0) {} } while try answerMisses()
  }

  private func answerMisses() throws -> Bool {
    guard let channel, let message = try channel.receive() else { return false }
    guard case .iotlb(let miss) = try BackendMessage(message) else { return false }
    answered.append(miss)
    let offset = miss.address.rawValue &- region.guestBase.rawValue
    let isKnown = offset < UInt64(region.byteCount)
    if isKnown {
      try connection.send(
        FrontendMessage.iotlb(
          IOTLBMessage(
            .update, address: miss.address, byteCount: 4096, userAddress: userBase + offset,
            permissions: [.read, .write])
        ).encoded(needsReply: true))
      while try backend.step(milliseconds: 0) {}
      #expect(try connection.receive()?.number() == 0)
    }
    #expect(message.flags.contains(.needReply))
    try channel.send(message.reply(isKnown ? 0 : 1))
    return true
  }

  /// What comes before the vrings.
  func negotiate(protocolFeatures: ProtocolFeatures = VhostUserOptions.allProtocolFeatures) throws {
    let offered = try ask(.getFeatures).number()
    #expect(offered & features.rawValue == features.rawValue && offered & ProtocolFeatures.deviceBit != 0)
    #expect(try ask(.getProtocolFeatures).number() & protocolFeatures.rawValue == protocolFeatures.rawValue)
    try tell(.setProtocolFeatures(protocolFeatures))
    try tell(.setOwner)
    try tell(.setFeatures(VirtioFeatures(rawValue: features.rawValue | ProtocolFeatures.deviceBit)))
    if protocolFeatures.contains(.backendRequests) {
      let (near, far) = try VhostUserConnection.channel()
      channel = near
      #expect(try ask(.setBackendChannel(far), needsReply: true).number() == 0)
    }
    try share()
  }

  /// Shares the guest's memory; what runs goes on in the new mapping.
  func share() throws {
    let file = PassedDescriptor(borrowing: try #require(region.fileDescriptor))
    // Behind an IOMMU the table's guest addresses mean nothing: another one here.
    let guest = isTranslating ? region.guestBase.rawValue + 1 << 40 : region.guestBase.rawValue
    let entry = MemoryTableEntry(
      guestAddress: GuestPhysicalAddress(guest), byteCount: UInt64(region.byteCount), userAddress: userBase)
    #expect(try ask(.setMemoryTable([entry], [file]), needsReply: true).number() == 0)
  }

  /// What a vring's address is in a message.
  func vringAddress(_ address: GuestPhysicalAddress) -> UInt64 {
    isTranslating ? address.rawValue : address.rawValue - region.guestBase.rawValue + userBase
  }

  /// Starts a vring.
  func start(
    _ index: UInt32 = 0, size: Int, base: UInt32,
    parts: (GuestPhysicalAddress, available: GuestPhysicalAddress, used: GuestPhysicalAddress),
    kick: EventDoorbell? = nil
  ) throws {
    let kick = kick ?? self.kick
    try tell(.setVringSize(VringState(index: index, value: UInt32(size))))
    try tell(.setVringBase(VringState(index: index, value: base)))
    try tell(
      .setVringAddress(
        VringAddress(
          index: index, descriptors: vringAddress(parts.0), used: vringAddress(parts.used),
          available: vringAddress(parts.available))))
    try tell(.setVringCall(index: Int(index), PassedDescriptor(borrowing: call.fileDescriptor)))
    try tell(.setVringKick(index: Int(index), PassedDescriptor(borrowing: kick.fileDescriptor)))
    try tell(.setVringEnable(VringState(index: index, value: 1)))
  }

  /// What the back-end throws.
  func failure(_ message: VhostUserMessage) throws -> VhostUserError? {
    try connection.send(message)
    do throws(VhostUserError) { while try backend.step(milliseconds: 0) {} } catch { return error }
    return nil
  }

  func failure(_ message: FrontendMessage) throws -> VhostUserError? { try failure(message.encoded()) }
}

extension WaitClock {
  /// One that goes on by so many nanoseconds with each look at it: with as many as the back-end serves on for, a queue
  /// with more to do than one call of its device takes is served once a step.
  static func jumping(by nanoseconds: UInt64) -> WaitClock {
    final class Time: Sendable { let now = Atomic<UInt64>(0) }
    let time = Time()
    var clock = WaitClock()
    clock.source = { time.now.wrappingAdd(nanoseconds, ordering: .relaxed).newValue }
    return clock
  }
}
