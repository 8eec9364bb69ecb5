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
