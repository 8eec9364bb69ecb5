/// Pool-wide figures that mappers of all areas add to, with atomic operations only.
@frozen @usableFromInline
struct SwiotlbTotals: BitwiseCopyable {
  /// Slots in use in all areas; kept only where the pool tracks its high-water mark.
  @usableFromInline var used: UInt64
  /// The largest value `used` has had.
  @usableFromInline var highWater: UInt64

  @usableFromInline
  init() {
    used = 0
    highWater = 0
  }
}
