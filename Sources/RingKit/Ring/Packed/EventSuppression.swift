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
