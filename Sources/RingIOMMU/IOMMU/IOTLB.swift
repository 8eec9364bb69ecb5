// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// A device's cache of translations: 4 KiB pages in sets of four, 2 MiB pages beside them.
///
/// A set is one cache line, four tags and four targets, compared without a branch among them; 64 sets by default, so
/// 256 pages. A tag is the page's address with a 12-bit generation in the bits that are zero in it, so forgetting
/// everything is one increment (and a real clear every 4,095th time). Replacement takes a free way, else the ways in
/// turn. Leaves of 2 MiB lie in 64 direct-mapped entries; a leaf of 1 GiB is entered as those of its 2 MiB parts that
/// are used. The leaf of the last hit that permits both directions stands in front of them, as its address and the
/// distance to the host's: what is forgotten there is forgotten here, but for a leaf that another one displaces.
///
/// A handle, owned by the device's thread. The thread that translates is the thread that serves invalidations, so
/// between walking the table and entering the result nothing can be acknowledged that the result contradicts. Where
/// waiting threads serve too, all that write hold the invalidation queue's serve lock. They remove and never enter, so
/// the owner looks up without it: a hit is an entry of its own, or one that is being removed.
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

  // Words of the header: the generation, how far the invalidation queue has been served, whether 2 MiB entries may
  // exist.
  @inlinable
  static var generationWord: Int { 0 }
  @inlinable
  static var servedWord: Int { 1 }
  @inlinable
  static var largeWord: Int { 2 }
  // The 2 MiB page hit last: its bytes, or 0 for none; its address; from there to the host's address.
  @inlinable
  static var recentSpanWord: Int { 3 }
  @inlinable
  static var recentPageWord: Int { 4 }
  @inlinable
  static var recentDistanceWord: Int { 5 }
  // Whether everything was cleared and the generation left where it was.
  static var clearedWord: Int { 6 }
  @inlinable
  static var largeTable: Int { 16 }
  @inlinable
  static var setTable: Int { 144 }

  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let setMask: UInt64

  @inlinable @inline(__always)
  var generation: UInt64 { unsafe cring_load_once_64(words + Self.generationWord) }

  /// Descriptors of the invalidation queue taken so far.
  @inlinable @inline(__always)
  var served: UInt64 {
    get { unsafe cring_load_once_64(words + Self.servedWord) }
    nonmutating set { unsafe cring_store_relaxed_64(words + Self.servedWord, newValue) }
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
    way = unsafe cring_load_compared_64(set + 1) == tag ? 1 : way
    way = unsafe cring_load_compared_64(set + 2) == tag ? 2 : way
    way = unsafe cring_load_compared_64(set + 3) == tag ? 3 : way
    return unsafe cring_load_compared_64(set + way) == tag ? cring_load_once_64(set + (way &+ Self.ways)) : 0
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
    return unsafe cring_load_compared_64(entry) == largeTag(address) ? cring_load_once_64(entry + 1) : 0
  }

  /// The host address of a range that lies in the 2 MiB page hit last; `nil` where it does not, or not as a whole.
  @inlinable @inline(__always)
  func recent(_ address: UInt64, _ byteCount: UInt64) -> UInt64? {
    let span = unsafe cring_load_once_64(words + Self.recentSpanWord)
    let offset = unsafe address &- words[Self.recentPageWord]
    guard offset < span && byteCount <= span &- offset else { return nil }
    return unsafe address &+ words[Self.recentDistanceWord]
  }

  /// Notes the 2 MiB page of an address, where it is here and permits both directions: then ``recent(_:_:)`` has
  /// nothing to ask about them.
  @inlinable
  func setRecent(_ address: UInt64) {
    let value = lookupLarge(address)
    guard value & PageTableEntry.permissionMask == PageTableEntry.permissionMask else { return }
    let page = address & ~Self.largeOffsetMask
    unsafe words[Self.recentPageWord] = page
    unsafe words[Self.recentDistanceWord] = value & ~IOMMUPage.offsetMask &- page
    unsafe cring_store_relaxed_64(words + Self.recentSpanWord, Self.largeOffsetMask &+ 1)
  }
}

extension IOTLB {
  /// An empty cache of `sets` sets of four.
  init(sets: Int) {
    precondition(
      sets > 0 && sets <= 1 << 20 && sets & (sets - 1) == 0, "the number of IOTLB sets is a power of two up to 2^20")
    setMask = UInt64(sets - 1)
    // Behind the sets, one byte a set: the way to replace next.
    let bytes = (Self.setTable + sets * 8) * 8 + sets
    unsafe words = RawBlock.allocate(bytes).bindMemory(to: UInt64.self, capacity: Self.setTable + sets * 8)
    unsafe words[Self.generationWord] = 1
  }

  /// Frees the cache; no copy of the handle may be used again.
  func deallocate() { unsafe RawBlock.free(words) }

  private var sets: Int { Int(setMask) + 1 }

  private func victim(_ page: UInt64) -> UnsafeMutablePointer<UInt8> {
    // SAFETY: one byte for each set lies behind them.
    unsafe UnsafeMutableRawPointer(words + Self.setTable + sets * 8).assumingMemoryBound(to: UInt8.self)
      + Int(page & setMask)
  }

  /// Enters a 4 KiB page.
  ///
  /// `value`: its host address, a multiple of 4 KiB, and permissions in bits 0 and 1.
  @usableFromInline
  func insert(_ address: UInt64, _ value: UInt64) {
    beginAnew()
    let page = address >> IOMMUPage.shift
    let set = unsafe set(page)
    var way = 0
    while way < Self.ways, unsafe set[way] & IOMMUPage.offsetMask == generation { way += 1 }
    if way == Self.ways {
      let next = unsafe victim(page)
      way = unsafe Int(next.pointee)
      unsafe next.pointee = UInt8((way + 1) % Self.ways)
    }
    unsafe cring_store_relaxed_64(set + way, address & ~IOMMUPage.offsetMask | generation)
    unsafe cring_store_relaxed_64(set + (way + Self.ways), value)
  }

  /// Enters a 2 MiB page.
  ///
  /// `value`: its host address, a multiple of 4 KiB, and permissions in bits 0 and 1.
  @usableFromInline
  func insertLarge(_ address: UInt64, _ value: UInt64) {
    beginAnew()
    let entry = unsafe largeEntry(address)
    unsafe cring_store_relaxed_64(entry, largeTag(address))
    unsafe cring_store_relaxed_64(entry + 1, value)
    unsafe words[Self.largeWord] = 1
    if unsafe words[Self.recentPageWord] == address & ~Self.largeOffsetMask { forgetRecent() }
  }

  /// Takes up the first generation where all was cleared by another thread: nothing is here, and this one looks up.
  private func beginAnew() {
    guard unsafe words[Self.clearedWord] != 0 else { return }
    unsafe words[Self.clearedWord] = 0
    unsafe cring_store_relaxed_64(words + Self.generationWord, 1)
  }

  private func forgetRecent() { unsafe cring_store_relaxed_64(words + Self.recentSpanWord, 0) }

  /// Forgets everything; `isOwner` is false on another thread than the one that looks up.
  func invalidateAll(isOwner: Bool = true) {
    unsafe words[Self.largeWord] = 0
    forgetRecent()
    let next = generation + 1
    if next < Self.generationLimit {
      unsafe cring_store_relaxed_64(words + Self.generationWord, next)
      return
    }
    // Tags of the generations to come must not be met by tags of those long past.
    for word in Self.largeTable..<(Self.setTable + sets * 8) { unsafe cring_store_relaxed_64(words + word, 0) }
    // A look-up that goes on meanwhile could see the first generation beside a tag that is not yet cleared: it is taken
    // up by the thread that looks up, with what it enters next.
    unsafe words[Self.clearedWord] = 1
    if isOwner { beginAnew() }
  }

  /// Forgets 2^`order` pages from `page` on, which is a multiple of that many.
  func invalidate(_ page: UInt64, order: UInt64, isOwner: Bool = true) {
    let count: UInt64 = 1 << order
    guard count <= UInt64(sets * Self.ways) else {
      // Cheaper than looking for each of them.
      invalidateAll(isOwner: isOwner)
      return
    }
    for at in page..<(page + count) {
      let tag = at << IOMMUPage.shift | generation
      let set = unsafe set(at)
      for way in 0..<Self.ways where unsafe set[way] == tag { unsafe cring_store_relaxed_64(set + way, 0) }
    }
    guard unsafe words[Self.largeWord] != 0 else { return }
    for large in (page >> 9)...((page + count - 1) >> 9) {
      let address = large << Self.largeShift
      let entry = unsafe largeEntry(address)
      if unsafe entry.pointee == largeTag(address) { unsafe cring_store_relaxed_64(entry, 0) }
      // Another page may have taken its place in the table since.
      if unsafe words[Self.recentPageWord] == address { forgetRecent() }
    }
  }
}

extension IOMMUCore {
  /// Walks to the leaf that maps an address and enters it, in a cache that waiting threads serve and on its own thread.
  @usableFromInline @inline(never)
  func fillLocked(
    _ iotlb: IOTLB, _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    // The walk too: between it and the entry a waiting thread could acknowledge what the entry contradicts.
    unsafe cring_lock(invalidations.serveLock)
    defer { unsafe cring_unlock(invalidations.serveLock) }
    return try iotlb.fill(address, for: access, from: pageTable, deviceTable)
  }
}

extension IOTLB {
  /// Walks to the leaf that maps an address, and enters it.
  @usableFromInline @inline(never)
  func fill(
    _ address: IOVA, for access: DMADirection, from pageTable: PageTable, _ memory: RegionTable
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let (entry, level) = pageTable.walk(address.rawValue >> IOMMUPage.shift)
    return try enter(address, for: access, entry, level: level, memory)
  }

  /// The same through a table that another process writes.
  @usableFromInline @inline(never)
  func fill(
    _ address: IOVA, for access: DMADirection, from pageTable: PageTableView, _ memory: RegionTable
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let (entry, level) = try pageTable.walk(address.rawValue >> IOMMUPage.shift)
    return try enter(address, for: access, entry, level: level, memory)
  }

  /// Where a leaf leads in the memory that the device sees, and enters that.
  @inline(__always)
  func enter(
    _ address: IOVA, for access: DMADirection, _ entry: PageTableEntry, level: Int, _ memory: RegionTable
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let raw = address.rawValue
    guard entry.isPresent else { throw .notMapped(address) }
    guard entry.bits & PageTableEntry.permission(for: access) != 0 else { throw .notPermitted(address, access) }
    let permissions = entry.bits & PageTableEntry.permissionMask
    let leafMask = PageTable.span(level) << IOMMUPage.shift - 1
    let target = entry.address + (raw & leafMask)
    // 2 MiB at a time, or 4 KiB where the memory behind the leaf is not contiguous for so long.
    if level > 1 {
      let mask = Self.largeOffsetMask
      if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
        host.rawValue % UInt(IOMMUPage.size) == 0
      {
        insertLarge(raw, UInt64(host.rawValue) | permissions)
        return unsafe (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
      }
    }
    let mask = IOMMUPage.offsetMask
    if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
      host.rawValue % UInt(IOMMUPage.size) == 0
    {
      insert(raw, UInt64(host.rawValue) | permissions)
      return unsafe (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
    }
    // A page at the edge of a region that does not end with it: translated each time, never beyond the edge.
    guard let (host, available) = memory.contiguous(from: GuestPhysicalAddress(target)) else {
      throw .badTarget(address, GuestPhysicalAddress(target))
    }
    return (host, min(available, mask + 1 - raw & mask))
  }
}
