internal import CRing
internal import RingKit

/// A page table that a driver in another process keeps, as the device walks it.
///
/// Each entry is read once, and followed only to a page of the memory that the table was passed in; what no driver
/// writes is a typed fault. Where a leaf leads is looked up in the device's own regions by whoever asked.
@frozen @safe
@usableFromInline
struct PageTableView: @unchecked Sendable {
  private let root: UnsafeMutableRawPointer
  private let byteCount: UInt64

  // Neither permission, nor large, nor address.
  private static let reserved = ~(PageTableEntry.permissionMask | PageTableEntry.largeBit | PageTableEntry.addressMask)

  /// The pages from a root on, at least one, which stay mapped.
  init(_ root: HostAddress, byteCount: Int) {
    precondition(byteCount >= 4096, "a page table has a root")
    unsafe self.root = unsafe root.pointer
    self.byteCount = UInt64(byteCount)
  }

  /// The leaf that maps a page and its level; an empty entry when there is none.
  ///
  /// - Throws: ``DMAFault/badEntry(_:_:level:)``.
  func walk(_ page: UInt64) throws(DMAFault) -> (entry: PageTableEntry, level: Int) {
    guard page < PageTable.pageLimit else { return (PageTableEntry(bits: 0), PageTable.levels) }
    var offset: UInt64 = 0
    var level = PageTable.levels
    while true {
      // SAFETY: offset is 0 or was checked below: a page of the table's memory starts there.
      let slot = unsafe PageTable.slot(root + Int(offset), page, level: level)
      let entry = unsafe PageTable.load(slot)
      if !entry.isPresent { return (entry, level) }
      guard entry.bits & Self.reserved == 0, isSound(entry, level) else {
        throw .badEntry(IOVA(page << IOMMUPage.shift), entry.bits, level: level)
      }
      if level == 1 || entry.isLarge { return (entry, level) }
      offset = entry.address
      level -= 1
    }
  }

  private func isSound(_ entry: PageTableEntry, _ level: Int) -> Bool {
    if level == 1 { return !entry.isLarge }
    if entry.isLarge { return level <= 3 && entry.address & (PageTable.span(level) << IOMMUPage.shift - 1) == 0 }
    // The root is nobody's lower table.
    return entry.isTable && entry.address > 0 && entry.address <= byteCount - 4096
  }
}
