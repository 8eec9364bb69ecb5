/// A position in a packed ring: an offset and the one-bit wrap counter that goes with it (virtio 1.2, 2.8.1).
///
/// Sizes need not be powers of two, so the offset wraps by comparison.
@frozen
public struct WrapCounter: Equatable, Sendable, BitwiseCopyable {
  /// The descriptor's place in the ring.
  public var offset: UInt16
  /// The wrap counter: true on the first lap, then toggled each lap.
  public var wrap: Bool

  /// The start: offset 0, wrap counter 1.
  @inlinable
  public init() {
    offset = 0
    wrap = true
  }

  /// A given position.
  @inlinable
  public init(offset: UInt16, wrap: Bool) {
    self.offset = offset
    self.wrap = wrap
  }

  /// Moves on by `count` descriptors in a ring of `size`; `count` is at most `size`.
  @inlinable @inline(__always)
  public mutating func advance(by count: UInt16, size: UInt16) {
    let next = UInt32(offset) &+ UInt32(count)
    if next >= UInt32(size) {
      offset = UInt16(truncatingIfNeeded: next &- UInt32(size))
      wrap.toggle()
    } else {
      offset = UInt16(truncatingIfNeeded: next)
    }
  }

  /// AVAIL and USED as a driver sets them on this lap: they differ (virtio 1.2, 2.8.1).
  @inlinable @inline(__always)
  public var availableFlags: UInt16 { wrap ? DescriptorFlags.available : DescriptorFlags.used }

  /// AVAIL and USED as a device sets them on this lap: they are equal.
  @inlinable @inline(__always)
  public var usedFlags: UInt16 { wrap ? DescriptorFlags.available | DescriptorFlags.used : 0 }

  /// Offset and wrap counter in one word, as event suppression and notification data carry them.
  @inlinable @inline(__always)
  public var word: UInt16 { offset | (wrap ? 0x8000 : 0) }
}
