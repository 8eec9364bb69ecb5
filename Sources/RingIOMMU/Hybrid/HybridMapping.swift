public import RingKit

/// What a mapping of a hybrid path is undone by: the copy's or the map's memory of it.
@frozen
public struct HybridMapping<Mapped: BitwiseCopyable>: BitwiseCopyable {
  /// The copy's, where the segment was copied.
  @usableFromInline let copied: ShadowMapping
  /// The mapped length; 0 where the segment was copied.
  @usableFromInline let byteCount: UInt32
  /// The map's; meaningless where the segment was copied.
  @usableFromInline let mapped: Mapped

  @inlinable
  init(copied: ShadowMapping, byteCount: UInt32, mapped: Mapped) {
    self.copied = copied
    self.byteCount = byteCount
    self.mapped = mapped
  }

  /// Whether the segment was copied.
  @inlinable
  public var isCopied: Bool { byteCount == 0 }
}
