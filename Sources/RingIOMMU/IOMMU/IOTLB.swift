/// A device's cache of translations: 4 KiB pages in sets of four, 2 MiB pages beside them.
///
/// A set is one cache line, four tags and four targets, compared without a branch among them; 64 sets by default, so
/// 256 pages. A tag is the page's address with a 12-bit generation in the bits that are zero in it, so forgetting
/// everything is one increment (and a real clear every 4,095th time). Replacement takes a free way, else the ways in
/// turn. Leaves of 2 MiB lie in 64 direct-mapped entries; a leaf of 1 GiB is entered as those of its 2 MiB parts that
/// are used.
///
/// A handle, owned by the device's thread. The thread that translates is the thread that serves invalidations, so
/// between walking the table and entering the result nothing can be acknowledged that the result contradicts.
@frozen @safe
@usableFromInline
struct IOTLB: @unchecked Sendable {
  /// Ways of a set: what fits a cache line.
  @inlinable
  static var ways: Int { 4 }
  @inlinable
  static var largeEntries: UInt64 { 64 }
  @inlinable
  static var largeShift: UInt64 { 21 }
  /// The bits of an address inside its 2 MiB page.
  @inlinable
  static var largeOffsetMask: UInt64 { 1 << largeShift &- 1 }
  @inlinable
  static var generationLimit: UInt64 { 4096 }

  // Words of the header: the generation, how far the invalidation queue has been served, whether 2 MiB entries may exist.
  @inlinable
  static var generationWord: Int { 0 }
  @inlinable
  static var servedWord: Int { 1 }
  @inlinable
  static var largeWord: Int { 2 }
  @inlinable
  static var largeTable: Int { 16 }
  @inlinable
  static var setTable: Int { 144 }

  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let setMask: UInt64

  @inlinable @inline(__always)
  var generation: UInt64 { unsafe words[Self.generationWord] }

  /// Descriptors of the invalidation queue taken so far.
  @inlinable @inline(__always)
  var served: UInt64 {
    get { unsafe words[Self.servedWord] }
    nonmutating set { unsafe words[Self.servedWord] = newValue }
  }

  @inlinable @inline(__always)
  func set(_ page: UInt64) -> UnsafeMutablePointer<UInt64> {
    // SAFETY: setMask + 1 sets of 8 words follow the header.
    unsafe words + (Self.setTable &+ Int(truncatingIfNeeded: page & setMask) &* 8)
  }

  /// The host address of the 4 KiB page, with its permissions in bits 0 and 1; 0 when it is not here.
  @inlinable @inline(__always)
  func lookup(_ address: UInt64) -> UInt64 {
    let tag = address & ~IOMMUPage.offsetMask | generation
    let set = unsafe set(address >> IOMMUPage.shift)
    var way = 0
    way = unsafe set[1] == tag ? 1 : way
    way = unsafe set[2] == tag ? 2 : way
    way = unsafe set[3] == tag ? 3 : way
    return unsafe set[way] == tag ? set[way &+ Self.ways] : 0
  }

  @inlinable @inline(__always)
  func largeEntry(_ address: UInt64) -> UnsafeMutablePointer<UInt64> {
    // SAFETY: largeEntries pairs of words lie at largeTable, in front of the sets.
    unsafe words
      + (Self.largeTable &+ Int(truncatingIfNeeded: (address >> Self.largeShift) & (Self.largeEntries &- 1)) &* 2)
  }

  @inlinable @inline(__always)
  func largeTag(_ address: UInt64) -> UInt64 { (address >> Self.largeShift) << Self.largeShift | generation }

  /// The host address of the 2 MiB page, with its permissions in bits 0 and 1; 0 when it is not here.
  @inlinable @inline(__always)
  func lookupLarge(_ address: UInt64) -> UInt64 {
    let entry = unsafe largeEntry(address)
    return unsafe entry[0] == largeTag(address) ? entry[1] : 0
  }
}
