internal import CRing
public import RingKit

extension PageTable {
  // Where the arena lies behind the lock.
  private static let arenaOffset = 64

  /// A table that maps nothing, of at most `maximumPages` pages.
  init(maximumPages: Int) { self.init(PageArena(limit: max(maximumPages, 1)), base: 0) }

  /// A table that maps nothing, in memory that is zeroed and stays mapped: as many pages as it has, the root first.
  init(in memory: GuestBuffer) {
    self.init(PageArena(in: memory), base: memory.host.rawValue)
  }

  private init(_ arena: consuming PageArena, base: UInt) {
    guard let root = unsafe arena.allocate() else { preconditionFailure("no memory for a page table") }
    unsafe self.root = unsafe root
    self.base = base
    unsafe shared = RawBlock.allocate(Self.arenaOffset + MemoryLayout<PageArena>.stride)
    unsafe (shared + Self.arenaOffset).bindMemory(to: PageArena.self, capacity: 1).initialize(to: arena)
  }

  /// Frees every table; no copy of the handle may be used again.
  func deallocate() {
    unsafe arena.deinitialize(count: 1)
    unsafe RawBlock.free(shared)
  }

  private var arena: UnsafeMutablePointer<PageArena> {
    unsafe (shared + Self.arenaOffset).assumingMemoryBound(to: PageArena.self)
  }

  /// The highest level a leaf may stand at: 1 GiB.
  static var largestLeaf: Int { 3 }

  /// Pages a leaf at a level maps.
  static func span(_ level: Int) -> UInt64 { 1 << UInt64(9 * (level - 1)) }

  /// The leaf that maps a page and its level; an empty entry when there is none.
  @usableFromInline @inline(never)
  func walk(_ page: UInt64) -> (entry: PageTableEntry, level: Int) {
    guard page < Self.pageLimit else { return (PageTableEntry(bits: 0), Self.levels) }
    var table = unsafe root
    var level = Self.levels
    while true {
      let entry = unsafe Self.load(Self.slot(table, page, level: level))
      if level == 1 || !entry.isTable { return (entry, level) }
      unsafe table = unsafe self.table(entry)
      level -= 1
    }
  }

  @usableFromInline @inline(never)
  func mapRange(
    _ page: UInt64, to target: UInt64, pages: UInt64, permissions: UInt64, largestLeaf: Int, writes: inout UInt64
  ) throws(DMAError) {
    guard page < Self.pageLimit, pages <= Self.pageLimit - page else {
      throw .notMapped(IOVA(page << IOMMUPage.shift))
    }
    var done: UInt64 = 0
    do {
      while done < pages {
        done += try mapSome(
          page + done, to: target + done, pages: pages - done, permissions: permissions, largestLeaf: largestLeaf,
          writes: &writes)
      }
    } catch {
      // Entries already written are this call's own, so clearing them cannot fail.
      try? unmapRange(page, pages: done, writes: &writes)
      throw error
    }
  }

  /// Maps one large leaf, or small ones up to the end of their table.
  private func mapSome(
    _ page: UInt64, to target: UInt64, pages: UInt64, permissions: UInt64, largestLeaf: Int, writes: inout UInt64
  ) throws(DMAError) -> UInt64 {
    var table = unsafe root
    for level in stride(from: Self.levels, to: 1, by: -1) {
      let slot = unsafe Self.slot(table, page, level: level)
      var entry = unsafe Self.load(slot)
      let span = Self.span(level)
      if level <= largestLeaf, !entry.isPresent, pages >= span, (page | target) & (span - 1) == 0 {
        unsafe Self.store(slot, target << IOMMUPage.shift | permissions | PageTableEntry.largeBit)
        writes += 1
        return span
      }
      if !entry.isPresent { entry = try unsafe install(slot, &writes) }
      guard entry.isTable else { throw .alreadyMapped(IOVA(page << IOMMUPage.shift)) }
      unsafe table = unsafe self.table(entry)
    }
    let count = min(pages, 512 - page & 511)
    for i in 0..<count {
      let slot = unsafe Self.slot(table, page + i, level: 1)
      guard unsafe Self.load(slot).bits == 0 else {
        // The caller unwinds what came before this table; these are not yet in its sum.
        try? unmapRange(page, pages: i, writes: &writes)
        throw .alreadyMapped(IOVA((page + i) << IOMMUPage.shift))
      }
      unsafe Self.store(slot, (target + i) << IOMMUPage.shift | permissions)
      writes += 1
    }
    return count
  }

  /// Puts an empty table into a slot, unless another thread has just done so.
  private func install(
    _ slot: UnsafeMutableRawPointer, _ writes: inout UInt64
  ) throws(DMAError) -> PageTableEntry {
    unsafe cring_lock(shared)
    defer { unsafe cring_unlock(shared) }
    let present = unsafe Self.load(slot)
    if present.isPresent { return present }
    guard let table = unsafe arena.pointee.allocate() else { throw .pageTableExhausted }
    let entry = PageTableEntry(bits: UInt64(UInt(bitPattern: table) &- base) | PageTableEntry.permissionMask)
    unsafe Self.store(slot, entry.bits)
    writes += 1
    return entry
  }

  @usableFromInline @inline(never)
  func unmapRange(_ page: UInt64, pages: UInt64, writes: inout UInt64) throws(DMAError) {
    guard page < Self.pageLimit, pages <= Self.pageLimit - page else {
      throw .notMapped(IOVA(page << IOMMUPage.shift))
    }
    var missing: UInt64?
    var done: UInt64 = 0
    while done < pages {
      let at = page + done
      if let slot = unsafe leafSlot(at) {
        // Up to the end of the lowest table, or of the range.
        let count = min(512 - at & 511, pages - done)
        for i in 0..<count {
          let entry = unsafe slot + Int(i) * 8
          if unsafe Self.load(entry).isPresent {
            unsafe Self.store(entry, 0)
            writes += 1
          } else if missing == nil {
            missing = at + i
          }
        }
        done += count
        continue
      }
      let (slot, level) = unsafe lastSlot(at)
      let span = Self.span(level)
      let entry = unsafe Self.load(slot)
      // Up to the end of what the entry stands for, or of the range.
      let covered = min(span - at & (span - 1), pages - done)
      if entry.isPresent && covered == span {
        unsafe Self.store(slot, 0)
        writes += 1
      } else if missing == nil {
        missing = at
      }
      done += covered
    }
    if let missing { throw .notMapped(IOVA(missing << IOMMUPage.shift)) }
  }

  /// Where the walk for a page ends, and at which level.
  private func lastSlot(_ page: UInt64) -> (slot: UnsafeMutableRawPointer, level: Int) {
    var table = unsafe root
    var level = Self.levels
    while true {
      let slot = unsafe Self.slot(table, page, level: level)
      let entry = unsafe Self.load(slot)
      if level == 1 || !entry.isTable { return unsafe (slot, level) }
      unsafe table = unsafe self.table(entry)
      level -= 1
    }
  }
}

/// Zeroed 4 KiB pages for page tables; all of them live until the arena does.
///
/// Linux frees tables that an unmap covers whole and keeps those it covers in part; here every one is kept. Guarded by
/// the page table's lock.
@safe
struct PageArena: ~Copyable {
  // Small enough for a test to reach the limit, large enough that a table page rarely costs an allocation.
  private static let chunkPages = 64

  private var chunks: [UnsafeMutableRawPointer] = unsafe []
  private var used = 0
  private let limit: Int
  // Where the pages are, when they belong to another table.
  private let given: GuestBuffer?

  /// An arena of at most `limit` pages.
  init(limit: Int) {
    self.limit = limit
    given = nil
  }

  /// An arena of the pages of some memory, which is zeroed and stays mapped.
  init(in memory: GuestBuffer) {
    limit = memory.byteCount / 4096
    given = memory
  }

  deinit {
    for i in unsafe chunks.indices { unsafe RawBlock.free(chunks[i]) }
  }

  /// The next page, or `nil` at the limit or without memory.
  mutating func allocate() -> UnsafeMutableRawPointer? {
    guard used < limit else { return nil }
    if let given {
      defer { used += 1 }
      return unsafe given.host.advanced(by: used * 4096).pointer
    }
    let (chunk, index) = used.quotientAndRemainder(dividingBy: Self.chunkPages)
    if unsafe chunk == chunks.count {
      guard let fresh = unsafe RawBlock.tryAllocate(Self.chunkPages * 4096, alignment: 4096) else { return nil }
      unsafe chunks.append(fresh)
    }
    used += 1
    return unsafe chunks[chunk] + index * 4096
  }
}
