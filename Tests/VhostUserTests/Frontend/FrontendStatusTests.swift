import RingKit
import RingPlatform
import Testing

@testable import VhostUser

/// The device's status with the extension STATUS, at the front-end.
@Suite(.timeLimit(.minutes(20))) struct FrontendStatusTests {
  private static let agreed: DeviceStatus = [.acknowledge, .driver, .featuresOK]

  /// A back-end with a status of which `read` makes what a driver reads.
  private func backend(_ read: @escaping (DeviceStatus) -> UInt64) throws -> ScriptedBackend {
    var written: DeviceStatus = []
    let backend = try ScriptedBackend { request, message in
      switch request {
      case .getProtocolFeatures:
        return [message.reply(ScriptedBackend.extensions.union(.status).rawValue)]
      case .setStatus(let status):
        written = status
        return []
      case .getStatus: return [message.reply(read(written))]
      default: return []
      }
    }
    backend.start()
    return backend
  }

  private func statuses(_ backend: ScriptedBackend) -> [DeviceStatus] {
    backend.requests.compactMap { if case .setStatus(let status) = $0 { status } else { nil } }
  }

  private func start(_ frontend: VhostUserFrontend, queues: Int) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 1 << 16)
    let buffer = GuestBuffer(whole: region)
    let doorbell = try EventDoorbell()
    try frontend.negotiate([], required: [], queues: queues)
    try frontend.share(try GuestMemory([region]))
    for index in 0..<queues {
      let ring = try SplitRing(in: buffer.slice(at: index * 4096, byteCount: 4096), size: 16)
      try frontend.start(index, VringSetup(ring, kick: doorbell, call: doorbell))
    }
  }

  @Test func theDriversStepsAreToldInOrder() throws {
    let backend = try backend { UInt64($0.rawValue) }
    try start(backend.frontend, queues: 2)
    try backend.frontend.checkStatus()
    backend.stop()
    #expect(backend.frontend.protocolFeatures.contains(.status))
    #expect(
      statuses(backend) == [[], [.acknowledge, .driver], Self.agreed, Self.agreed.union(.driverOK)])
    let requests = backend.requests.map(\.request)
    let (features, enabled) = (requests.firstIndex(of: .setFeatures), requests.lastIndex(of: .setVringEnable))
    // FEATURES_OK is written after the features, DRIVER_OK after the last vring.
    let written = requests.indices.filter { requests[$0] == .setStatus }
    #expect(try #require(features) > written[1] && #require(features) < written[2])
    #expect(try #require(enabled) < written[3] && #require(enabled) > written[2])
  }

  @Test func featuresThatTheDeviceRefusesEndTheSession() throws {
    let backend = try backend { UInt64($0.subtracting(.featuresOK).rawValue) }
    defer { backend.stop() }
    #expect(throws: FrontendError.negotiation(.featuresRefused(.version1))) {
      try backend.frontend.negotiate([], required: [], queues: 1)
    }
    #expect(statuses(backend).last == [.acknowledge, .driver, .failed])
  }

  @Test func aDeviceThatNeedsAResetIsNoticed() throws {
    let backend = try backend {
      UInt64($0.rawValue) | ($0.contains(.driverOK) ? UInt64(DeviceStatus.needsReset.rawValue) : 0)
    }
    defer { backend.stop() }
    // DRIVER_OK is followed by a look.
    #expect(throws: FrontendError.negotiation(.needsReset)) { try start(backend.frontend, queues: 1) }
    #expect(throws: FrontendError.negotiation(.needsReset)) { try backend.frontend.checkStatus() }
  }

  @Test func aStatusThatChangesByItselfEndsTheSession() throws {
    let backend = try backend { UInt64($0.rawValue) | ($0.contains(.driverOK) ? 128 : 0) }
    defer { backend.stop() }
    let written = Self.agreed.union(.driverOK)
    #expect(
      throws: FrontendError.negotiation(.unexpectedStatus(written.union(.failed), expected: written))
    ) { try start(backend.frontend, queues: 1) }
  }

  @Test(arguments: [0x10, 0x100, 1 << 40] as [UInt64]) func bitsThatMeanNothingEndTheSession(word: UInt64) throws {
    let backend = try backend { UInt64($0.rawValue) | word }
    defer { backend.stop() }
    do throws(FrontendError) {
      try backend.frontend.negotiate([], required: [], queues: 1)
      Issue.record("the status was taken")
    } catch { #expect(error == .status(word | UInt64(Self.agreed.rawValue))) }
  }

  @Test func withoutTheExtensionNothingIsSaid() throws {
    let backend = try ScriptedBackend()
    backend.start()
    try start(backend.frontend, queues: 1)
    try backend.frontend.checkStatus()
    backend.stop()
    #expect(!backend.requests.contains { $0.request == .setStatus || $0.request == .getStatus })
  }
}
