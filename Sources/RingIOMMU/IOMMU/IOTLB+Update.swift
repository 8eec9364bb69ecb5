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
    let page = address >> IOMMUPage.shift
    let set = unsafe set(page)
    var way = 0
    while way < Self.ways, unsafe set[way] & IOMMUPage.offsetMask == generation { way += 1 }
    if way == Self.ways {
      let next = unsafe victim(page)
      way = unsafe Int(next.pointee)
      unsafe next.pointee = UInt8((way + 1) % Self.ways)
    }
    unsafe set[way] = address & ~IOMMUPage.offsetMask | generation
    unsafe set[way + Self.ways] = value
  }

  /// Enters a 2 MiB page.
  ///
  /// `value`: its host address, a multiple of 4 KiB, and permissions in bits 0 and 1.
  @usableFromInline
  func insertLarge(_ address: UInt64, _ value: UInt64) {
    let entry = unsafe largeEntry(address)
    unsafe entry[0] = largeTag(address)
    unsafe entry[1] = value
    unsafe words[Self.largeWord] = 1
  }

  /// Forgets everything.
  func invalidateAll() {
    unsafe words[Self.largeWord] = 0
    let next = generation + 1
    if next < Self.generationLimit {
      unsafe words[Self.generationWord] = next
      return
    }
    // Tags of the generations to come must not be met by tags of those long past.
    unsafe (words + Self.largeTable).update(repeating: 0, count: Self.setTable - Self.largeTable + sets * 8)
    unsafe words[Self.generationWord] = 1
  }

  /// Forgets 2^`order` pages from `page` on, which is a multiple of that many.
  func invalidate(_ page: UInt64, order: UInt64) {
    let count: UInt64 = 1 << order
    guard count <= UInt64(sets * Self.ways) else {
      // Cheaper than looking for each of them.
      invalidateAll()
      return
    }
    for at in page..<(page + count) {
      let tag = at << IOMMUPage.shift | generation
      let set = unsafe set(at)
      for way in 0..<Self.ways where unsafe set[way] == tag { unsafe set[way] = 0 }
    }
    guard unsafe words[Self.largeWord] != 0 else { return }
    for large in (page >> 9)...((page + count - 1) >> 9) {
      let address = large << Self.largeShift
      if unsafe largeEntry(address)[0] == largeTag(address) { unsafe largeEntry(address)[0] = 0 }
    }
  }
}
