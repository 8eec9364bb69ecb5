/// What the driver remembers of one mapping, in private memory, at the mapping's first slot.
///
/// Linux keeps the same next to the free-run length (`struct io_tlb_slot`); here the run lengths are an array of
/// their own, so that a search touches one byte a slot.
@frozen @usableFromInline
struct SwiotlbSlot: BitwiseCopyable {
  /// The mapper's number in the high half and the mapping's in the low one; 0 where no mapping begins.
  ///
  /// Only the mapper whose number it is ever writes it, and others may read it at any time: atomic accesses only.
  @usableFromInline var tag: UInt64
  /// Where the mapped segment is in this process.
  @usableFromInline var original: UInt

  @usableFromInline
  init() {
    tag = 0
    original = 0
  }
}
