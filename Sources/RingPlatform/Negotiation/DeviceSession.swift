public import RingKit

/// A driver's way to a live device: reset, features, status (virtio 1.4, "Device Initialization").
///
/// In order: ``begin()``, ``negotiate(_:)``, then the queues are set up with what was agreed, then ``start()``, and at
/// last ``end()``. A step that fails leaves FAILED in the device's status, and only ``begin()`` leads on from there.
/// What the device answers is checked at each step: it may refuse, it may not change its mind. Owned by one thread.
public struct DeviceSession<Transport: DeviceTransport & ~Copyable>: ~Copyable {
  /// The device's registers.
  public var transport: Transport
  /// The machine the device is plugged into.
  public let platform: Platform
  /// What the transport says it is.
  public let kind: DeviceKind
  /// What the driver has written of the status so far.
  public private(set) var status: DeviceStatus = []
  /// What was agreed on, from ``negotiate(_:)`` to the next ``begin()``.
  public private(set) var negotiated: NegotiatedFeatures?

  private let resetPolls: Int

  /// A session with a device that was not talked to yet.
  ///
  /// - Parameters:
  ///   - transport: the device's registers, from now on the session's own.
  ///   - kind: what the transport says it is.
  ///   - platform: the machine it is plugged into.
  ///   - resetPolls: how often the status is read after a reset until it has to be 0.
  public init(
    _ transport: consuming Transport, kind: DeviceKind, platform: Platform, resetPolls: Int = 100_000
  ) {
    self.transport = transport
    self.kind = kind
    self.platform = platform
    self.resetPolls = resetPolls
  }

  /// Resets the device and says that it was found and can be driven: ACKNOWLEDGE, DRIVER.
  ///
  /// - Throws: ``NegotiationError/resetIncomplete(_:)``; as ``check()``.
  public mutating func begin() throws(NegotiationError) {
    try end()
    do throws(NegotiationError) {
      try set(.acknowledge)
      try set(.driver)
    } catch {
      giveUp()
      throw error
    }
  }

  /// Agrees on features: reads the offer, writes what is accepted of it, sets FEATURES_OK and looks whether it stays.
  ///
  /// - Throws: as ``Platform/accept(_:of:for:)``, ``NegotiationError/featuresRefused(_:)``,
  ///   ``NegotiationError/offerChanged(from:to:)``; as ``check()``.
  public mutating func negotiate(
    _ request: FeatureRequest = FeatureRequest()
  ) throws(NegotiationError) -> NegotiatedFeatures {
    precondition(status == [.acknowledge, .driver], "features are negotiated once, right after begin()")
    do throws(NegotiationError) {
      let offered = try offer()
      let agreed = try platform.accept(offered, of: kind, for: request)
      do throws(TransportError) { try transport.writeAcceptedFeatures(agreed.accepted) } catch {
        throw .transport(error)
      }
      do throws(TransportError) { try transport.writeStatus(status.union(.featuresOK)) } catch {
        throw .transport(error)
      }
      // A device that does not support the subset leaves the bit clear.
      if try read() == status { throw .featuresRefused(agreed.accepted) }
      status.insert(.featuresOK)
      try check()
      let now = try offer()
      if now != offered { throw .offerChanged(from: offered, to: now) }
      negotiated = agreed
      return agreed
    } catch {
      giveUp()
      throw error
    }
  }

  /// Sets DRIVER_OK: the device is live, and its queues may be notified.
  ///
  /// - Throws: as ``check()``.
  public mutating func start() throws(NegotiationError) {
    precondition(negotiated != nil && !status.contains(.driverOK), "a device is started once, after negotiate(_:)")
    do throws(NegotiationError) { try set(.driverOK) } catch {
      giveUp()
      throw error
    }
  }

  /// Resets the device and waits until it is: from then on it works on no queue and touches no memory.
  ///
  /// - Throws: ``NegotiationError/resetIncomplete(_:)``, ``NegotiationError/transport(_:)``.
  public mutating func end() throws(NegotiationError) {
    negotiated = nil
    status = []
    do throws(TransportError) { try transport.writeStatus([]) } catch { throw .transport(error) }
    var found = try read()
    var polls = resetPolls
    // A reset is complete when the status reads 0 (virtio 1.4, "Device Reset").
    while !found.isEmpty, polls > 0 {
      found = try read()
      polls -= 1
    }
    guard found.isEmpty else { throw .resetIncomplete(found) }
  }

  /// Holds the device's status against what was written; for whenever a queue stalls or breaks.
  ///
  /// - Throws: ``NegotiationError/needsReset``, ``NegotiationError/unexpectedStatus(_:expected:)``,
  ///   ``NegotiationError/transport(_:)``.
  public mutating func check() throws(NegotiationError) {
    let found = try read()
    if found.contains(.needsReset) { throw .needsReset }
    if found != status { throw .unexpectedStatus(found, expected: status) }
  }

  /// Sets FAILED: the driver has given up on the device until the next ``begin()``.
  ///
  /// A failure of the transport is ignored: there is nothing left to give up.
  public mutating func giveUp() {
    negotiated = nil
    status.insert(.failed)
    try? transport.writeStatus(status)
  }

  // A driver never clears a bit, so each step writes all of them.
  private mutating func set(_ bit: DeviceStatus) throws(NegotiationError) {
    precondition(!status.contains(.failed), "the driver has given up on the device: begin() again")
    status.insert(bit)
    do throws(TransportError) { try transport.writeStatus(status) } catch { throw .transport(error) }
    try check()
  }

  private mutating func read() throws(NegotiationError) -> DeviceStatus {
    do throws(TransportError) { return try transport.status() } catch { throw .transport(error) }
  }

  private mutating func offer() throws(NegotiationError) -> VirtioFeatures {
    do throws(TransportError) { return try transport.offeredFeatures() } catch { throw .transport(error) }
  }
}

/// What carries a driver's first words with a device: its feature bits and its status, as PCI, MMIO or a socket has
/// them.
///
/// A transport says what stands in the device's registers and judges nothing: that is ``DeviceSession``'s. Owned by the
/// session's thread.
public protocol DeviceTransport: ~Copyable {
  /// Reads the 64 feature bits that the device offers now.
  mutating func offeredFeatures() throws(TransportError) -> VirtioFeatures

  /// Writes the feature bits that the driver accepts.
  mutating func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError)

  /// Reads the device status field.
  mutating func status() throws(TransportError) -> DeviceStatus

  /// Writes the device status field; 0 resets the device.
  mutating func writeStatus(_ status: DeviceStatus) throws(TransportError)
}

/// Why a transport could not read or write a register.
public struct TransportError: Error, Equatable, Sendable {
  /// What was to be done, as the middle of a sentence: "reading the device status".
  public let operation: String
  /// Why it was not: "the other end is gone".
  public let reason: String

  /// A failure of `operation` because of `reason`.
  public init(operation: String, reason: String) {
    self.operation = operation
    self.reason = reason
  }
}

extension TransportError: CustomStringConvertible {
  /// Both in one sentence.
  public var description: String { "\(operation) failed: \(reason)" }
}

/// The device status field (virtio 1.4, "Device Status Field").
public struct DeviceStatus: OptionSet, Hashable, Sendable {
  /// The field's eight bits.
  public let rawValue: UInt8

  /// Any set of bits, known here or not.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// 1: the guest has found the device.
  public static let acknowledge = DeviceStatus(rawValue: 1)
  /// 2: the guest knows how to drive it.
  public static let driver = DeviceStatus(rawValue: 2)
  /// 4: the driver is set up.
  public static let driverOK = DeviceStatus(rawValue: 4)
  /// 8: the driver has said which features it accepts, and the device agrees.
  public static let featuresOK = DeviceStatus(rawValue: 8)
  /// 64: the device met an error that only a reset ends.
  public static let needsReset = DeviceStatus(rawValue: 64)
  /// 128: the driver has given up.
  public static let failed = DeviceStatus(rawValue: 128)

  /// All of them.
  package static let known: DeviceStatus = [.acknowledge, .driver, .driverOK, .featuresOK, .needsReset, .failed]

  /// A status that came as a longer word; `nil` when it has other bits.
  package init?(word: UInt64) {
    guard word & ~UInt64(Self.known.rawValue) == 0 else { return nil }
    self.init(rawValue: UInt8(word))
  }
}

extension DeviceStatus: CustomStringConvertible {
  private static let names: [(DeviceStatus, String)] = [
    (.acknowledge, "ACKNOWLEDGE"), (.driver, "DRIVER"), (.driverOK, "DRIVER_OK"), (.featuresOK, "FEATURES_OK"),
    (.needsReset, "DEVICE_NEEDS_RESET"), (.failed, "FAILED"),
  ]

  /// The names of the bits that are set, others in hexadecimal.
  public var description: String {
    var rest = self
    var parts: [String] = []
    for (bit, name) in Self.names where contains(bit) {
      parts.append(name)
      rest.remove(bit)
    }
    if !rest.isEmpty { parts.append("0x\(String(rest.rawValue, radix: 16))") }
    return parts.isEmpty ? "0" : parts.joined(separator: " ")
  }
}
