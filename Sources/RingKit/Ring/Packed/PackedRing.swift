/// Where the three parts of a packed ring lie (virtio 1.2, 2.8).
///
/// No policy.
@frozen
public struct PackedRing: Sendable {
  /// The descriptor ring: 16 bytes an entry; written by both sides in turn.
  @usableFromInline package let descriptors: SharedMemory
  /// Driver event suppression, 4 bytes: what the driver wants to be told; written by the driver only.
  @usableFromInline package let driverEvent: SharedMemory
  /// Device event suppression, 4 bytes: what the device wants to be told; written by the device only.
  @usableFromInline package let deviceEvent: SharedMemory
  /// Entries, any number to 32,768.
  public let size: Int
  /// Guest-physical addresses of the three parts, as a transport hands them to the device.
  public let addresses:
    (descriptors: GuestPhysicalAddress, driverEvent: GuestPhysicalAddress, deviceEvent: GuestPhysicalAddress)
  private let regions: [MemoryRegion]

  /// Bytes that a ring of `size` entries takes in one buffer, each event word in lines of its own.
  public static func byteCount(size: Int) -> Int { eventOffset(size) + 128 + 4 }

  // 128: the two event words have different writers; adjacent-line prefetch moves pairs of lines together.
  private static func eventOffset(_ size: Int) -> Int { (16 * size + 127) & ~127 }

  /// Lays a ring out in one buffer.
  ///
  /// - Throws: ``ConfigurationError`` for a size outside 1…32,768, too little memory or a start that is not a
  ///   multiple of 16.
  public init(in buffer: GuestBuffer, size: Int) throws(ConfigurationError) {
    guard (1...32_768).contains(size) else { throw .invalidSize(size) }
    guard buffer.byteCount >= Self.byteCount(size: size) else {
      throw .memoryTooSmall(available: buffer.byteCount, needed: Self.byteCount(size: size))
    }
    let events = Self.eventOffset(size)
    try self.init(
      descriptors: buffer.slice(at: 0, byteCount: 16 * size), driverEvent: buffer.slice(at: events, byteCount: 4),
      deviceEvent: buffer.slice(at: events + 128, byteCount: 4), size: size)
  }

  /// Takes three parts that lie wherever the driver put them.
  ///
  /// - Throws: ``ConfigurationError`` as above; the parts' alignments are 16, 4 and 4 (P1).
  public init(
    descriptors: GuestBuffer, driverEvent: GuestBuffer, deviceEvent: GuestBuffer, size: Int
  ) throws(ConfigurationError) {
    guard (1...32_768).contains(size) else { throw .invalidSize(size) }
    addresses = (descriptors.address, driverEvent.address, deviceEvent.address)
    regions = [descriptors.region, driverEvent.region, deviceEvent.region]
    self.size = size
    self.descriptors = try descriptors.ringPart(16 * size, alignment: 16)
    self.driverEvent = try driverEvent.ringPart(4, alignment: 4)
    self.deviceEvent = try deviceEvent.ringPart(4, alignment: 4)
  }

  /// Zeroes all three parts, as a driver does before it hands a ring over (virtio 1.2, 2.8.13).
  public func clear() {
    for i in 0..<size {
      descriptors.store64(0, 16 * i)
      descriptors.store64(0, 16 * i + 8)
    }
    driverEvent.store32(0, 0)
    deviceEvent.store32(0, 0)
  }

  /// Length, buffer id and flags of a descriptor as one word: written and read whole, so that none of them can be seen
  /// without the others.
  @inlinable @inline(__always)
  static func word(length: UInt32, id: UInt16, flags: UInt16) -> UInt64 {
    UInt64(length) | UInt64(id) << 32 | UInt64(flags) << 48
  }
}

/// The event suppression word of one side of a packed ring (virtio 1.2, 2.8.14).
@frozen
@usableFromInline
struct EventSuppression: BitwiseCopyable {
  @usableFromInline let rawValue: UInt32

  @inlinable
  init(rawValue: UInt32) { self.rawValue = rawValue }

  /// RING_EVENT_FLAGS_ENABLE.
  @inlinable
  static var enable: EventSuppression { EventSuppression(rawValue: 0) }

  /// RING_EVENT_FLAGS_DISABLE.
  @inlinable
  static var disable: EventSuppression { EventSuppression(rawValue: 1 << 16) }

  /// RING_EVENT_FLAGS_DESC: when the descriptor at `position` is written.
  @inlinable
  static func descriptor(_ position: WrapCounter) -> EventSuppression {
    EventSuppression(rawValue: UInt32(position.word) | 2 << 16)
  }

  /// Whether writing the `count` descriptors before `position` calls for a notification.
  ///
  /// A reserved value (3, or 2 without EVENT_IDX) counts as enabled: one notification too many is tolerated by every
  /// peer, one too few is a hang.
  @inlinable @inline(__always)
  func isDue(position: WrapCounter, count: UInt16, size: UInt16, hasEventIndex: Bool) -> Bool {
    let flags = rawValue >> 16 & 3
    if flags == 1 { return false }
    if flags != 2 || !hasEventIndex { return true }
    let word = UInt16(truncatingIfNeeded: rawValue)
    var event = word & 0x7fff
    // An event position of the other lap lies one ring length before this lap's offsets.
    if (word & 0x8000 != 0) != position.wrap { event = event &- size }
    return RingIndex.crossed(
      RingIndex(event), from: RingIndex(position.offset &- count), to: RingIndex(position.offset))
  }
}
