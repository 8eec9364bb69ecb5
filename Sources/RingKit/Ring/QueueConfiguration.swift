/// What both ends of a queue have agreed on.
public struct QueueConfiguration: Sendable, Equatable {
  /// Descriptors in the ring: a power of two to 32,768 for a split ring, any number to 32,768 for a packed one.
  public var size: Int
  /// The negotiated features; those that do not concern a ring are ignored.
  public var features: VirtioFeatures
  /// Entries of each indirect table the driver keeps; a chain with more segments goes into the ring itself.
  ///
  /// Used only with INDIRECT_DESC.
  public var indirectCapacity: Int
  /// Device: whether, with IN_ORDER, one used entry stands for a batch of buffers; without IN_ORDER none does.
  package var sharesUsedEntries = true

  /// A queue of `size` descriptors, with indirect tables of 16 entries, or of `size` where that is less, unless told
  /// otherwise.
  public init(size: Int, features: VirtioFeatures = [.version1], indirectCapacity: Int? = nil) {
    self.size = size
    self.features = features
    self.indirectCapacity = indirectCapacity ?? min(16, max(size, 0))
  }

  /// Bytes of driver memory that the indirect tables take: one per descriptor of the ring, or none.
  ///
  /// Of a configuration that no queue can have it is at most `Int.max`, and at least 0.
  public var indirectByteCount: Int {
    guard features.contains(.indirectDescriptors), size > 0, indirectCapacity > 0 else { return 0 }
    let (entries, overflow) = size.multipliedReportingOverflow(by: indirectCapacity)
    return overflow || entries > Int.max / 16 ? Int.max : entries * 16
  }

  package func validate(packed: Bool) throws(ConfigurationError) {
    guard (1...32_768).contains(size), packed || size & (size - 1) == 0 else { throw .invalidSize(size) }
    guard features.contains(.packedRing) == packed else {
      throw .features(features, reason: packed ? "a packed ring needs RING_PACKED" : "RING_PACKED is not a split ring")
    }
    // virtio 1.2, 6.1: a driver must accept VERSION_1, and the bits above 32 exist only with it.
    guard features.contains(.version1) else { throw .features(features, reason: "VERSION_1 is missing") }
    guard (0...size).contains(indirectCapacity) || !features.contains(.indirectDescriptors) else {
      throw .features(
        features, reason: "indirect tables of \(indirectCapacity) entries in a queue of \(size) (S8, P13)")
    }
  }
}

extension QueueConfiguration {
  /// Holds it against a ring of `ringSize` descriptors; returns the entries of its indirect tables.
  func admit(ringSize: Int, isPacked: Bool, _ tables: GuestBuffer?) throws(ConfigurationError) -> Int {
    try validate(packed: isPacked)
    guard ringSize == size else { throw .invalidSize(ringSize) }
    return try indirectCapacity(in: tables)
  }

  /// Entries per indirect table that the given memory allows: the configured number, or 0 without INDIRECT_DESC.
  func indirectCapacity(in tables: GuestBuffer?) throws(ConfigurationError) -> Int {
    guard features.contains(.indirectDescriptors), indirectCapacity > 0, let tables else { return 0 }
    guard tables.byteCount >= indirectByteCount else {
      throw .memoryTooSmall(available: tables.byteCount, needed: indirectByteCount)
    }
    guard tables.address.rawValue % 16 == 0, tables.host.rawValue % 16 == 0 else {
      throw .misaligned(tables.address, alignment: 16)
    }
    return indirectCapacity
  }
}

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
