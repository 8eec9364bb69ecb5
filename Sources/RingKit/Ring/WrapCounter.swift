/// A position in a packed ring: an offset and the one-bit wrap counter that goes with it (virtio 1.2, 2.8.1).
///
/// Sizes need not be powers of two, so the offset wraps by comparison.
@frozen
public struct WrapCounter: Equatable, Sendable, BitwiseCopyable {
  /// The descriptor's place in the ring.
  public var offset: UInt16
  // AVAIL and USED both set on odd laps, neither on even ones: the flag words below are one operation away.
  @usableFromInline var lap: UInt16

  /// The wrap counter: true on the first lap, then toggled each lap.
  @inlinable @inline(__always)
  public var wrap: Bool { lap != 0 }

  /// The start: offset 0, wrap counter 1.
  @inlinable
  public init() { self.init(offset: 0, wrap: true) }

  /// A given position.
  @inlinable
  public init(offset: UInt16, wrap: Bool) {
    self.offset = offset
    lap = wrap ? DescriptorFlags.available | DescriptorFlags.used : 0
  }

  /// Moves on by `count` descriptors in a ring of `size`; `count` is at most `size`.
  @inlinable @inline(__always)
  public mutating func advance(by count: UInt16, size: UInt16) {
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
  public mutating func advance(size: UInt16) {
    offset &+= 1
    if offset == size {
      offset = 0
      lap ^= DescriptorFlags.available | DescriptorFlags.used
    }
  }

  /// How many descriptors this position is past `earlier`, which is at most a whole lap behind.
  @inlinable @inline(__always)
  func distance(from earlier: WrapCounter, size: UInt16) -> UInt16 {
    lap == earlier.lap ? offset &- earlier.offset : offset &+ size &- earlier.offset
  }

  /// AVAIL and USED as a driver sets them on this lap: they differ (virtio 1.2, 2.8.1).
  @inlinable @inline(__always)
  public var availableFlags: UInt16 { lap ^ DescriptorFlags.used }

  /// AVAIL and USED as a device sets them on this lap: they are equal.
  @inlinable @inline(__always)
  public var usedFlags: UInt16 { lap }

  /// Offset and wrap counter in one word, as event suppression and notification data carry them.
  @inlinable @inline(__always)
  public var word: UInt16 { offset | lap & 0x8000 }
}
