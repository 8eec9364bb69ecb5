import RingKit
import RingPlatform
import Testing

@Suite("Negotiation")
struct DeviceSessionTests {
  private static let modern: VirtioFeatures = [.version1, .accessPlatform]

  private struct Outcome {
    var agreed: NegotiatedFeatures?
    var error: NegotiationError?
  }

  /// Takes a device as far as it goes.
  private func bring(
    _ device: ScriptedDevice, kind: DeviceKind = .network, secure: Bool = false, request: FeatureRequest = .init(),
    resetPolls: Int = 10
  ) -> Outcome {
    var session = DeviceSession(
      ScriptedTransport(device: device), kind: kind, platform: Platform(secure: secure), resetPolls: resetPolls)
    var outcome = Outcome()
    do throws(NegotiationError) {
      try session.begin()
      outcome.agreed = try session.negotiate(request)
      try session.start()
    } catch { outcome.error = error }
    return outcome
  }

  @Test("the steps are taken in order, one bit more each, and no bit is ever cleared but by the reset")
  func order() {
    let device = ScriptedDevice(Self.modern.union([.packedRing, .eventIndex]))
    device.slowReset = 3
    let outcome = bring(device)
    #expect(outcome.error == nil)
    #expect(device.writes.map(\.rawValue) == [0, 1, 3, 11, 15])
    #expect(outcome.agreed?.accepted == device.accepted)
    #expect(device.accepted == Self.modern.union([.packedRing, .eventIndex]))
    #expect(outcome.agreed?.isPacked == true && outcome.agreed?.needsPhysicalAddresses == false)
  }

  @Test("nothing is accepted that is not offered, unknown or reserved, at each single bit")
  func unknownBits() throws {
    for bit in 0..<64 {
      let offer = Self.modern.union(VirtioFeatures(bits: bit))
      let all = FeatureRequest(understood: VirtioFeatures(rawValue: .max))
      let agreed = try Platform(secure: false).accept(offer, of: .crypto, for: all)
      #expect(offer.isSuperset(of: agreed.accepted))
      // What the specification reserves, and what it defines and this library does not implement.
      let isReserved = (24...27).contains(bit) || [30, 31, 37, 39, 41, 43].contains(bit) || (44...49).contains(bit)
      #expect(agreed.accepted.contains(VirtioFeatures(bits: bit)) == !isReserved, "bit \(bit)")
      // Without being asked for, a kind's own bits are left alone too.
      let plain = try Platform(secure: false).accept(offer, of: .crypto).accepted
      #expect(plain.isSubset(of: .allRing))
    }
  }

  @Test("bits above 31 need VERSION_1, those below need nothing, and what needs more is left out or refused")
  func dependencies() throws {
    for bit in [28, 29] { #expect(!FeatureDependency.ring.contains { $0.feature == VirtioFeatures(bits: bit) }) }
    for bit in [33, 34, 35, 36, 38, 40] {
      let one = VirtioFeatures(bits: bit)
      #expect(FeatureDependency.ring.contains { $0.feature == one && $0.alternatives == [.version1] })
    }
    // HOST_ECN needs HOST_TSO4 or HOST_TSO6, which need CSUM: one missing takes the others with it.
    let (checksum, tso4, ecn) = (VirtioFeatures(bits: 0), VirtioFeatures(bits: 11), VirtioFeatures(bits: 13))
    let net = FeatureRequest(understood: [checksum, tso4, ecn, .inOrder])
    let platform = Platform(secure: false)
    #expect(
      try platform.accept(Self.modern.union([checksum, tso4, ecn]), of: .network, for: net).accepted
        == [checksum, tso4, ecn, .version1])
    #expect(try platform.accept(Self.modern.union([tso4, ecn]), of: .network, for: net).accepted == .version1)
    let needy = FeatureRequest(required: ecn)
    #expect(throws: NegotiationError.unmetDependency(ecn, needs: [tso4, VirtioFeatures(bits: 12)])) {
      try platform.accept(Self.modern.union(ecn), of: .network, for: needy)
    }
  }

  @Test("a secure platform refuses what is not behind the platform, and names the bit and the option")
  func secure() {
    for (offer, bit, option) in [
      ([.accessPlatform, .ringReset], VirtioFeatures.version1, "disable-legacy=on"),
      ([.version1, .packedRing], .accessPlatform, "iommu_platform=on"),
    ] as [(VirtioFeatures, VirtioFeatures, String)] {
      let device = ScriptedDevice(offer)
      let error = bring(device, secure: true).error
      #expect(error == .notOffered(bit, because: .securePlatform))
      #expect("\(error!)".contains("\(bit)") && "\(error!)".contains(option))
      #expect(device.writes.last?.contains(.failed) == true && !device.writes.contains { $0.contains(.featuresOK) })
    }
    // Elsewhere the second is taken, and told what it implies.
    let plain = bring(ScriptedDevice([.version1, .packedRing]))
    #expect(plain.error == nil && plain.agreed?.needsPhysicalAddresses == true)
    #expect(bring(ScriptedDevice([])).error == .notOffered(.version1, because: .noLegacyInterface))
  }

  @Test("a secure platform accepts ACCESS_PLATFORM even from a driver that did not ask")
  func insists() {
    let outcome = bring(ScriptedDevice(Self.modern), secure: true, request: FeatureRequest(understood: []))
    #expect(outcome.agreed?.accepted == Self.modern)
  }

  @Test("a required feature that is not offered is named, with QEMU's option")
  func required() {
    let error = bring(ScriptedDevice(Self.modern), request: FeatureRequest(required: [.packedRing, .ringReset])).error
    #expect(error == .notOffered(.packedRing, because: .driver))
    #expect("\(error!)".contains("packed=on"))
  }

  @Test("a device that clears FEATURES_OK, or changes its offer after it, is refused and told FAILED")
  func secondThoughts() {
    let stubborn = ScriptedDevice(Self.modern)
    stubborn.answer = { $0.subtracting(.featuresOK) }
    #expect(bring(stubborn).error == .featuresRefused(Self.modern))
    #expect(stubborn.writes.map(\.rawValue) == [0, 1, 3, 11, 131])
    for later in [Self.modern.union(.inOrder), .version1] as [VirtioFeatures] {
      let fickle = ScriptedDevice(Self.modern)
      fickle.laterOffer = later
      #expect(bring(fickle).error == .offerChanged(from: Self.modern, to: later))
      #expect(fickle.writes.last == [.acknowledge, .driver, .featuresOK, .failed])
    }
  }

  @Test("DEVICE_NEEDS_RESET, and a status that was not written, are told at the step they come up", arguments: 1...4)
  func status(step: Int) {
    for (strange, expected) in [
      ({ $0.union(.needsReset) }, nil),
      ({ _ in [] }, [] as DeviceStatus),
      ({ $0.union(DeviceStatus(rawValue: 32)) }, DeviceStatus(rawValue: 32)),
    ] as [((DeviceStatus) -> DeviceStatus, DeviceStatus?)] {
      let device = ScriptedDevice(Self.modern)
      device.answer = { [unowned device] in device.writes.count == step + 1 ? strange($0) : $0 }
      let written: DeviceStatus = [[.acknowledge], [.driver], [.featuresOK], [.driverOK]][..<step].reduce([]) {
        $0.union($1)
      }
      let error = bring(device).error
      if let expected {
        let found = expected.isEmpty ? [] : written.union(expected)
        #expect(error == .unexpectedStatus(found, expected: written), "step \(step)")
      } else {
        #expect(error == .needsReset)
      }
      #expect(device.writes.last?.contains(.failed) == true)
    }
  }

  @Test("a reset that never completes is an error, and a transport that fails is told")
  func resets() {
    let slow = ScriptedDevice(Self.modern)
    slow.slowReset = 100
    #expect(bring(slow).error == .resetIncomplete(.needsReset))
    for operation in ["reading the features", "writing the features", "reading the status", "writing the status"] {
      let device = ScriptedDevice(Self.modern)
      device.failsAt = operation
      let expected = TransportError(operation: operation, reason: "the other end is gone")
      #expect(bring(device).error == .transport(expected))
    }
  }

  @Test("a live device's error is seen at the next look, and begin() starts over")
  func recovery() throws {
    let device = ScriptedDevice(Self.modern)
    var session = DeviceSession(
      ScriptedTransport(device: device), kind: .block, platform: Platform(secure: true))
    try session.begin()
    _ = try session.negotiate()
    try session.start()
    try session.check()
    device.status.insert(.needsReset)
    var seen: NegotiationError?
    do throws(NegotiationError) { try session.check() } catch { seen = error }
    #expect(seen == .needsReset)
    session.giveUp()
    #expect(device.status == [.acknowledge, .driver, .featuresOK, .driverOK, .failed])
    try session.begin()
    let agreed = try session.negotiate()
    try session.start()
    let configuration = agreed.configuration(size: 8)
    #expect(configuration == QueueConfiguration(size: 8, features: Self.modern))
    #expect(device.status == [.acknowledge, .driver, .featuresOK, .driverOK])
  }

  @Test("end() resets a live device and waits until it is; a device that does not is named")
  func end() throws {
    let device = ScriptedDevice(Self.modern)
    var session = DeviceSession(
      ScriptedTransport(device: device), kind: .block, platform: Platform(secure: false), resetPolls: 10)
    try session.begin()
    _ = try session.negotiate()
    try session.start()
    device.slowReset = 5
    try session.end()
    #expect(device.status.isEmpty && device.slowReset == 0)
    #expect(session.status.isEmpty && session.negotiated == nil)
    device.slowReset = 100
    var seen: NegotiationError?
    do throws(NegotiationError) { try session.end() } catch { seen = error }
    #expect(seen == .resetIncomplete(.needsReset))
  }

  @Test("a queue is configured with the ring's features and none of the kind's")
  func configuration() throws {
    let offer = Self.modern.union([.packedRing, .eventIndex, VirtioFeatures(bits: 0, 5)])
    let agreed = try Platform(secure: true).accept(
      offer, of: .network, for: FeatureRequest(understood: VirtioFeatures(rawValue: .max)))
    #expect(agreed.accepted == offer)
    #expect(agreed.configuration(size: 7).features == Self.modern.union([.packedRing, .eventIndex]))
  }
}

/// A device of registers alone: it writes down what a driver does to it, and misbehaves as told.
final class ScriptedDevice: @unchecked Sendable {
  var offer: VirtioFeatures
  var status: DeviceStatus = []
  var accepted: VirtioFeatures = []
  /// Every status written, in order.
  var writes: [DeviceStatus] = []
  /// What it does with a status before it stands in the register.
  var answer: (DeviceStatus) -> DeviceStatus = { $0 }
  /// What it offers once FEATURES_OK is set.
  var laterOffer: VirtioFeatures?
  /// How many reads it takes to complete a reset.
  var slowReset = 0
  var failsAt: String?

  init(_ offer: VirtioFeatures) { self.offer = offer }
}

struct ScriptedTransport: DeviceTransport {
  let device: ScriptedDevice

  private func attempt(_ operation: String) throws(TransportError) {
    if device.failsAt == operation { throw TransportError(operation: operation, reason: "the other end is gone") }
  }

  mutating func offeredFeatures() throws(TransportError) -> VirtioFeatures {
    try attempt("reading the features")
    return device.status.contains(.featuresOK) ? device.laterOffer ?? device.offer : device.offer
  }

  mutating func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError) {
    try attempt("writing the features")
    device.accepted = features
  }

  mutating func status() throws(TransportError) -> DeviceStatus {
    try attempt("reading the status")
    if device.writes.last == [], device.slowReset > 0 {
      device.slowReset -= 1
      return .needsReset
    }
    return device.status
  }

  mutating func writeStatus(_ status: DeviceStatus) throws(TransportError) {
    try attempt("writing the status")
    device.writes.append(status)
    device.status = device.answer(status)
  }
}
