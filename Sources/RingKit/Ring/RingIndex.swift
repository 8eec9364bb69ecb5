/// A free-running 16-bit ring index: only wrapping operations, so it cannot trap and cannot be compared wrongly.
@frozen
public struct RingIndex: Equatable, Sendable, BitwiseCopyable {
  /// The index as it stands in the ring.
  public var rawValue: UInt16

  /// Wraps an index as read from a ring.
  @inlinable @inline(__always)
  public init(_ rawValue: UInt16) { self.rawValue = rawValue }

  /// The index `count` entries further on, modulo 65,536.
  @inlinable @inline(__always)
  public func advanced(by count: UInt16) -> RingIndex { RingIndex(rawValue &+ count) }

  /// How many entries this index is past `earlier`, modulo 65,536.
  @inlinable @inline(__always)
  public func distance(from earlier: RingIndex) -> UInt16 { rawValue &- earlier.rawValue }

  /// The slot of a ring whose size is `mask + 1`, a power of two.
  @inlinable @inline(__always)
  public func slot(mask: UInt16) -> UInt16 { rawValue & mask }

  /// Whether moving from `old` to `new` stepped over `event` (virtio 1.2, 2.7.7.2 and 2.7.10; Linux
  /// `vring_need_event`): true exactly when the entry with index `event` is among those just written.
  @inlinable @inline(__always)
  public static func crossed(_ event: RingIndex, from old: RingIndex, to new: RingIndex) -> Bool {
    new.rawValue &- event.rawValue &- 1 < new.rawValue &- old.rawValue
  }
}
