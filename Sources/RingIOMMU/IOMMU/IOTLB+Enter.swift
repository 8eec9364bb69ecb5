public import RingKit

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
    // 2 MiB at a time, or 4 KiB where the memory behind the leaf is not that much in one piece.
    if level > 1 {
      let mask = Self.largeOffsetMask
      if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
        host.rawValue % UInt(IOMMUPage.size) == 0
      {
        insertLarge(raw, UInt64(host.rawValue) | permissions)
        return (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
      }
    }
    let mask = IOMMUPage.offsetMask
    if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
      host.rawValue % UInt(IOMMUPage.size) == 0
    {
      insert(raw, UInt64(host.rawValue) | permissions)
      return (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
    }
    // A page at the edge of a region that does not end with it: translated each time, never beyond the edge.
    guard let (host, available) = memory.contiguous(from: GuestPhysicalAddress(target)) else {
      throw .badTarget(address, GuestPhysicalAddress(target))
    }
    return (host, min(available, mask + 1 - raw & mask))
  }
}
