/// A free-running 16-bit ring index: only wrapping operations, so it cannot trap and cannot be compared wrongly.
@frozen
@usableFromInline
package struct RingIndex: Equatable, Sendable, BitwiseCopyable {
  /// The index as it stands in the ring.
  @usableFromInline package var rawValue: UInt16

  /// Wraps an index as read from a ring.
  @inlinable @inline(__always)
  package init(_ rawValue: UInt16) { self.rawValue = rawValue }

  /// The index `count` entries further on, modulo 65,536.
  @inlinable @inline(__always)
  package func advanced(by count: UInt16) -> RingIndex { RingIndex(rawValue &+ count) }

  /// How many entries this index is past `earlier`, modulo 65,536.
  @inlinable @inline(__always)
  package func distance(from earlier: RingIndex) -> UInt16 { rawValue &- earlier.rawValue }

  /// The slot of a ring whose size is `mask + 1`, a power of two.
  @inlinable @inline(__always)
  package func slot(mask: UInt16) -> UInt16 { rawValue & mask }

  /// Whether moving from `old` to `new` stepped over `event` (virtio 1.2, 2.7.7.2 and 2.7.10; Linux
  /// `vring_need_event`): true exactly when the entry with index `event` is among those just written.
  @inlinable @inline(__always)
  package static func crossed(_ event: RingIndex, from old: RingIndex, to new: RingIndex) -> Bool {
    new.rawValue &- event.rawValue &- 1 < new.rawValue &- old.rawValue
  }
}

/// A position in a packed ring: an offset and the one-bit wrap counter that goes with it (virtio 1.2, 2.8.1).
///
/// Sizes need not be powers of two, so the offset wraps by comparison.
@frozen
@usableFromInline
package struct WrapCounter: Equatable, Sendable, BitwiseCopyable {
  /// The descriptor's index in the ring.
  @usableFromInline package var offset: UInt16
  // AVAIL and USED both set on odd laps, neither on even ones: the flag words below are one operation away.
  @usableFromInline var lap: UInt16

  /// The wrap counter: true on the first lap, then toggled each lap.
  @inlinable @inline(__always)
  package var wrap: Bool { lap != 0 }

  /// The start: offset 0, wrap counter 1.
  @inlinable
  package init() { self.init(offset: 0, wrap: true) }

  /// A given position.
  @inlinable
  package init(offset: UInt16, wrap: Bool) {
    self.offset = offset
    lap = wrap ? DescriptorFlags.available | DescriptorFlags.used : 0
  }

  /// Moves on by `count` descriptors in a ring of `size`; `count` is at most `size`.
  @inlinable @inline(__always)
  package mutating func advance(by count: UInt16, size: UInt16) {
    let next = UInt32(offset) &+ UInt32(count)
    if next >= UInt32(size) {
      offset = UInt16(truncatingIfNeeded: next &- UInt32(size))
      lap ^= DescriptorFlags.available | DescriptorFlags.used
    } else {
      offset = UInt16(truncatingIfNeeded: next)
    }
  }

  /// Moves on by one descriptor in a ring of `size`.
  @inlinable @inline(__always)
  package mutating func advance(size: UInt16) {
    offset &+= 1
    if offset == size {
      offset = 0
      lap ^= DescriptorFlags.available | DescriptorFlags.used
    }
  }

  /// Moves back by `count` descriptors in a ring of `size`; `count` is at most `size`.
  package mutating func retreat(by count: UInt16, size: UInt16) {
    if count <= offset {
      offset -= count
    } else {
      offset = UInt16(truncatingIfNeeded: UInt32(offset) &+ UInt32(size) &- UInt32(count))
      lap ^= DescriptorFlags.available | DescriptorFlags.used
    }
  }

  /// How many descriptors this position is past `earlier`, which is at most a whole lap behind.
  @inlinable @inline(__always)
  package func distance(from earlier: WrapCounter, size: UInt16) -> UInt16 {
    lap == earlier.lap ? offset &- earlier.offset : offset &+ size &- earlier.offset
  }

  /// AVAIL and USED as a driver sets them on this lap: they differ (virtio 1.2, 2.8.1).
  @inlinable @inline(__always)
  package var availableFlags: UInt16 { lap ^ DescriptorFlags.used }

  /// AVAIL and USED as a device sets them on this lap: they are equal.
  @inlinable @inline(__always)
  package var usedFlags: UInt16 { lap }

  /// A position as ``word`` has it.
  @inlinable
  package init(word: UInt16) { self.init(offset: word & 0x7fff, wrap: word & 0x8000 != 0) }

  /// Offset and wrap counter in one word, as event suppression and notification data carry them.
  @inlinable @inline(__always)
  package var word: UInt16 { offset | lap & 0x8000 }
}

/// Bits of a descriptor's `flags` field, for both layouts (virtio 1.2, 2.7.5 and 2.8.6).
@usableFromInline
enum DescriptorFlags {
  /// VIRTQ_DESC_F_NEXT: the buffer continues in another descriptor.
  @usableFromInline static var next: UInt16 { @inlinable get { 1 } }
  /// VIRTQ_DESC_F_WRITE: the device writes, otherwise it reads.
  @usableFromInline static var write: UInt16 { @inlinable get { 2 } }
  /// VIRTQ_DESC_F_INDIRECT: the element is a table of descriptors.
  @usableFromInline static var indirect: UInt16 { @inlinable get { 4 } }
  /// VIRTQ_DESC_F_AVAIL, packed rings only.
  @usableFromInline static var available: UInt16 { @inlinable get { 1 << 7 } }
  /// VIRTQ_DESC_F_USED, packed rings only.
  @usableFromInline static var used: UInt16 { @inlinable get { 1 << 15 } }
}
