// Public, because inlinable code may name only what its callers can see.
public import CRing
public import RingKit

/// A page table of four levels, 9 bits each, from IOVA pages to guest-physical pages (VT-d second level).
///
/// Leaves are 4 KiB, and 2 MiB or 1 GiB where alignment and length allow and no lower table stands in the slot. The
/// drivers' threads write entries, each for IOVA ranges that are theirs alone; two of them may need the same table, so
/// tables are installed under a lock (Linux: a compare-and-exchange). An entry is written with a release store and read
/// with an acquire load, so a device's thread that finds a table finds it zeroed and filled.
///
/// A handle: copies share the state, and the ``IOMMUDomain`` that made it frees it.
@frozen @safe
@usableFromInline
struct PageTable: @unchecked Sendable {
  /// Levels; the root is at this one, 4 KiB leaves are at level 1.
  @inlinable
  static var levels: Int { 4 }
  /// Pages of 4 KiB it can map: 48 bits of addresses.
  @inlinable
  static var pageLimit: UInt64 { 1 << 36 }

  @usableFromInline let root: UnsafeMutableRawPointer
  // Where table addresses count from: 0 where they are addresses of this process, or else the start of the memory that
  // holds the tables, so that another process can follow them and learns nothing of where this one has them.
  @usableFromInline let base: UInt
  // The lock, then the arena, in lines of their own.
  @usableFromInline let shared: UnsafeMutableRawPointer

  /// The slot of `page` in a table of a level.
  @inlinable @inline(__always)
  static func slot(
    _ table: UnsafeMutableRawPointer, _ page: UInt64, level: Int
  ) -> UnsafeMutableRawPointer {
    // SAFETY: 512 entries of 8 bytes to a table.
    unsafe table + Int(truncatingIfNeeded: (page >> UInt64(truncatingIfNeeded: 9 &* (level &- 1))) & 511) &* 8
  }

  @inlinable @inline(__always)
  static func load(_ slot: UnsafeMutableRawPointer) -> PageTableEntry {
    // Pairs with `store`, so that a table is seen zeroed before it is seen at all.
    unsafe PageTableEntry(bits: cring_load_acquire_64(slot))
  }

  @inlinable @inline(__always)
  static func store(_ slot: UnsafeMutableRawPointer, _ bits: UInt64) {
    unsafe cring_store_release_64(slot, bits)
  }

  /// The table that an entry leads to.
  @inlinable @inline(__always)
  func table(_ entry: PageTableEntry) -> UnsafeMutableRawPointer {
    // SAFETY: only `install` makes table entries, out of pages of the arena, and no other code writes there.
    unsafe HostAddress(rawValue: base &+ UInt(entry.address)).pointer
  }

  /// The slot of a 4 KiB page, or `nil` when no lowest table has been made for it.
  @inlinable @inline(__always)
  func leafSlot(_ page: UInt64) -> UnsafeMutableRawPointer? {
    if page >= Self.pageLimit { return nil }
    let third = unsafe Self.load(Self.slot(root, page, level: 4))
    if !third.isTable { return nil }
    let second = unsafe Self.load(Self.slot(table(third), page, level: 3))
    if !second.isTable { return nil }
    let first = unsafe Self.load(Self.slot(table(second), page, level: 2))
    if !first.isTable { return nil }
    return unsafe Self.slot(table(first), page, level: 1)
  }

  /// Maps `pages` pages from `page` on to guest-physical pages from `target` on.
  ///
  /// `permissions` are bits 0 (read) and 1 (write), not both clear; `largestLeaf` is the highest level a leaf may stand
  /// at: 1 (4 KiB), 2 (2 MiB) or 3 (1 GiB).
  ///
  /// - Throws: ``DMAError/alreadyMapped(_:)`` or ``DMAError/pageTableExhausted``; then nothing stays mapped.
  @inlinable @inline(__always)
  func map<Counter: WorkCounter>(
    _ page: UInt64, to target: UInt64, pages: UInt64, permissions: UInt64, largestLeaf: Int, counter: inout Counter
  ) throws(DMAError) {
    if pages == 1, let slot = unsafe leafSlot(page), unsafe Self.load(slot).bits == 0 {
      unsafe Self.store(slot, target << IOMMUPage.shift | permissions)
      counter.add(.pageTableWrites, 1)
      return
    }
    var writes: UInt64 = 0
    defer { counter.add(.pageTableWrites, writes) }
    try mapRange(page, to: target, pages: pages, permissions: permissions, largestLeaf: largestLeaf, writes: &writes)
  }

  /// Clears the entries of `pages` pages from `page` on.
  ///
  /// - Throws: ``DMAError/notMapped(_:)`` with the first page that has no entry, or that is part of a larger leaf which
  ///   the range does not cover; the rest is cleared all the same.
  @inlinable @inline(__always)
  func unmap<Counter: WorkCounter>(
    _ page: UInt64, pages: UInt64, counter: inout Counter
  ) throws(DMAError) {
    if pages == 1, let slot = unsafe leafSlot(page), unsafe Self.load(slot).isPresent {
      unsafe Self.store(slot, 0)
      counter.add(.pageTableWrites, 1)
      return
    }
    var writes: UInt64 = 0
    defer { counter.add(.pageTableWrites, writes) }
    try unmapRange(page, pages: pages, writes: &writes)
  }

  /// The guest-physical address of a page, or `nil` when it is not mapped.
  @inlinable @inline(__always)
  func physicalAddress(_ page: UInt64) -> UInt64? {
    if let slot = unsafe leafSlot(page), case let entry = unsafe Self.load(slot), entry.isPresent {
      return entry.address
    }
    let (entry, level) = walk(page)
    if !entry.isPresent { return nil }
    let within = page & (1 << UInt64(truncatingIfNeeded: 9 &* (level &- 1)) &- 1)
    return entry.address &+ within << IOMMUPage.shift
  }
}

/// One 64-bit page-table entry, in the layout of VT-d's second level.
///
/// Bit 0: the device may read. Bit 1: it may write. Bit 7: a leaf above the lowest level. Bits 12 to 51: the
/// guest-physical address of what is mapped, or where the next table lies in this process (in a table that another
/// process reads too: how far behind the root). Neither permission: empty. An entry that leads to a table has both
/// permissions.
@frozen
@usableFromInline
struct PageTableEntry: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline var bits: UInt64

  @inlinable @inline(__always)
  init(bits: UInt64) { self.bits = bits }

  /// The permission bits.
  @inlinable
  static var permissionMask: UInt64 { 3 }
  /// A leaf of 2 MiB or 1 GiB.
  @inlinable
  static var largeBit: UInt64 { 1 << 7 }
  /// The address bits.
  @inlinable
  static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

  /// What an access in this direction needs (Linux: DMA_TO_DEVICE maps IOMMU_READ, DMA_FROM_DEVICE IOMMU_WRITE).
  @inlinable @inline(__always)
  static func permission(for direction: DMADirection) -> UInt64 { direction == .deviceReadable ? 1 : 2 }

  @inlinable @inline(__always)
  var isPresent: Bool { bits & Self.permissionMask != 0 }

  @inlinable @inline(__always)
  var isLarge: Bool { bits & Self.largeBit != 0 }

  /// Leads to another table; for levels above the lowest.
  @inlinable @inline(__always)
  var isTable: Bool { bits & (Self.largeBit | 1) == 1 }

  @inlinable @inline(__always)
  var address: UInt64 { bits & Self.addressMask }
}

/// The IOMMU's granule, 4 KiB, and sums with it.
@frozen
@usableFromInline
package enum IOMMUPage {
  /// log2 of the granule.
  @inlinable
  package static var shift: UInt64 { 12 }

  /// Bytes of the granule.
  @inlinable
  package static var size: UInt64 { 4096 }

  /// The bits of an address inside its page.
  @inlinable
  package static var offsetMask: UInt64 { 4095 }

  /// Pages that `length` bytes at `address` touch.
  ///
  /// Neither sum can overflow for a range inside guest memory.
  @inlinable @inline(__always)
  package static func count(of length: UInt64, at address: UInt64) -> UInt64 {
    ((address & offsetMask) &+ length &+ offsetMask) >> shift
  }
}
