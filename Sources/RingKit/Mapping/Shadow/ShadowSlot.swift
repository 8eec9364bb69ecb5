/// What the driver remembers of one shadow buffer, in private memory: two words, of which one is for writable segments.
///
/// A driver whose ring lies in another core's cache waits for its own stores to leave: each one less is time.
@frozen @usableFromInline
struct ShadowSlot: BitwiseCopyable {
  /// Stands for "no slot" in a mapping.
  @inlinable static var none: UInt32 { .max }
  /// In ``word`` while the buffer is free; lengths need fewer bits.
  @inlinable static var free: UInt64 { 0x8000_0000 }

  /// The mapped length in the low half; in the high one the generation, which every unmap advances.
  @usableFromInline var word: UInt64
  /// Where a device-writable segment is in this process.
  @usableFromInline var original: UInt = 0

  @usableFromInline
  init(generation: UInt32) { word = UInt64(generation) << 32 | ShadowSlot.free }

  /// Whether the buffer is lent to this mapping.
  @inlinable @inline(__always)
  static func isLent(_ word: UInt64, to mapping: ShadowMapping) -> Bool {
    UInt32(truncatingIfNeeded: word >> 32) == mapping.generation && word & ShadowSlot.free == 0
  }
}
