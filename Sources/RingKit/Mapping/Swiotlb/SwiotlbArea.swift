/// One area of a bounce pool: its lock, and where the next search begins.
///
/// A pair of cache lines of its own. Everything but `lock` is read and written with the lock held.
@frozen @usableFromInline
struct SwiotlbArea: BitwiseCopyable {
  @usableFromInline var lock: UInt32
  /// The slot within the area at which the next search begins.
  @usableFromInline var index: UInt32
  /// Slots of the area that are in use.
  @usableFromInline var used: UInt32
  /// The largest value `used` has had.
  @usableFromInline var highWater: UInt32
  /// Times the lock was held by another thread when it was asked for.
  @usableFromInline var lockWaits: UInt64
  // Fills 128 bytes, so that the adjacent-line prefetcher does not couple the locks of two areas.
  @usableFromInline var padding: InlineArray<13, UInt64>

  @usableFromInline
  init() {
    lock = 0
    index = 0
    used = 0
    highWater = 0
    lockWaits = 0
    padding = InlineArray(repeating: 0)
  }
}
