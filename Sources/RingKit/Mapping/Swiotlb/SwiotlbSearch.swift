/// What a search for bounce slots found, and what it took.
@frozen @usableFromInline
struct SwiotlbSearch: BitwiseCopyable {
  /// Stands for "no slot" in ``slot``.
  @inlinable static var none: UInt32 { .max }

  /// The first slot of the run, or ``none`` when every area was full.
  @usableFromInline var slot: UInt32
  /// Slots looked at, the one that fitted included.
  @usableFromInline var searched: UInt32
  /// Areas that had no room although another one was left to try.
  @usableFromInline var skipped: UInt32

  @inlinable
  init(slot: UInt32, searched: UInt32, skipped: UInt32) {
    self.slot = slot
    self.searched = searched
    self.skipped = skipped
  }
}
