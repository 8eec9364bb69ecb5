/// What an available-buffer notification carries under VIRTIO_F_NOTIFICATION_DATA (virtio 1.2, 2.9).
@frozen
public struct NotificationData: Hashable, Sendable, BitwiseCopyable {
  /// The little-endian word: queue index in bits 0–15, position in bits 16–31.
  public let rawValue: UInt32

  /// The word of a queue whose next available position is `position`: the available index of a split ring, or offset
  /// and wrap counter of a packed one.
  @inlinable
  public init(queue: UInt16, position: UInt16) { rawValue = UInt32(queue) | UInt32(position) << 16 }

  /// Which queue.
  public var queue: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
  /// `next_off`: the low 15 bits of the position.
  public var nextOffset: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 16) & 0x7fff }
  /// `next_wrap`: the packed ring's wrap counter, or bit 15 of the split ring's available index.
  public var nextWrap: Bool { rawValue >> 31 != 0 }
}
