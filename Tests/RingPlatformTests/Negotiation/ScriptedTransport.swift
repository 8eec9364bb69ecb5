import RingKit
import RingPlatform

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
