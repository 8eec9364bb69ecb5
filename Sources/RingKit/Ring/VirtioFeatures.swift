/// Feature bits that concern a ring, by their numbers in the specification (virtio 1.2, section 6).
@frozen
public struct VirtioFeatures: OptionSet, Hashable, Sendable {
  /// The 64-bit feature word.
  public let rawValue: UInt64

  /// Any set of bits, known here or not.
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// 28: a table of descriptors in one slot.
  public static let indirectDescriptors = VirtioFeatures(rawValue: 1 << 28)
  /// 29: notification suppression by index (split) or by offset and wrap counter (packed).
  public static let eventIndex = VirtioFeatures(rawValue: 1 << 29)
  /// 32: little endian, modern.
  public static let version1 = VirtioFeatures(rawValue: 1 << 32)
  /// 33: the device's access is limited or translated by the platform.
  public static let accessPlatform = VirtioFeatures(rawValue: 1 << 33)
  /// 34: the packed layout.
  public static let packedRing = VirtioFeatures(rawValue: 1 << 34)
  /// 35: buffers come back in the order they were made available.
  public static let inOrder = VirtioFeatures(rawValue: 1 << 35)
  /// 36: barriers fit for a hardware device.
  public static let orderPlatform = VirtioFeatures(rawValue: 1 << 36)
  /// 38: a notification carries the ring position.
  public static let notificationData = VirtioFeatures(rawValue: 1 << 38)
  /// 40: one queue can be reset.
  public static let ringReset = VirtioFeatures(rawValue: 1 << 40)
}

extension VirtioFeatures: CustomStringConvertible {
  private static let names: [(VirtioFeatures, String)] = [
    (.indirectDescriptors, "INDIRECT_DESC"), (.eventIndex, "EVENT_IDX"), (.version1, "VERSION_1"),
    (.accessPlatform, "ACCESS_PLATFORM"), (.packedRing, "RING_PACKED"), (.inOrder, "IN_ORDER"),
    (.orderPlatform, "ORDER_PLATFORM"), (.notificationData, "NOTIFICATION_DATA"), (.ringReset, "RING_RESET"),
  ]

  /// The names of the bits that are set, unknown ones by number.
  public var description: String {
    var rest = rawValue
    var parts: [String] = []
    for (feature, name) in Self.names where contains(feature) {
      parts.append(name)
      rest &= ~feature.rawValue
    }
    for bit in 0..<64 where rest & (1 << UInt64(bit)) != 0 { parts.append("bit \(bit)") }
    return parts.isEmpty ? "none" : parts.joined(separator: " ")
  }
}
