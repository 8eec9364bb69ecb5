extension IOMMUTranslator where Counter: WorkCounter {
  @inlinable @inline(__always)
  mutating func countHit(_ address: UInt64, _ host: UInt64) {
    work.add(.iotlbHits, 1)
    if Counter.isCounting && isAuditing && isStale(address, host) { work.add(.staleHits, 1) }
  }

  /// Whether the page table no longer leads to the host page that the IOTLB named.
  @usableFromInline @inline(never)
  func isStale(_ address: UInt64, _ host: UInt64) -> Bool {
    guard let target = core.pageTable.physicalAddress(address >> IOMMUPage.shift) else { return true }
    return core.deviceTable.translate(GuestPhysicalAddress(target), length: 1)?.rawValue != UInt(host)
  }

  /// A range that is not, or not as a whole, in one cached 4 KiB page.
  @inlinable @inline(never)
  mutating func translateLong(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if byteCount != 0 && address.advanced(by: byteCount &- 1) == nil {
      throw .addressOverflow(address, byteCount: byteCount)
    }
    let first = try translatePage(address, for: access)
    var total = first.byteCount
    while total < byteCount {
      // What the next page has wrong with it is told to whoever asks for that page.
      guard let next = try? translatePage(IOVA(address.rawValue &+ total), for: access),
        next.host.rawValue == first.host.rawValue &+ UInt(total)
      else { break }
      total &+= next.byteCount
    }
    return (first.host, min(total, byteCount))
  }

  /// The host address of one byte, and how many bytes from there on its leaf covers.
  @inlinable
  mutating func translatePage(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let raw = address.rawValue
    var mask = IOMMUPage.offsetMask
    var value = iotlb.lookup(raw)
    if value == 0 {
      mask = IOTLB.largeOffsetMask
      value = iotlb.lookupLarge(raw)
    }
    if value == 0 { return try walk(address, for: access) }
    let host = value & ~IOMMUPage.offsetMask
    countHit(raw, host &+ (raw & mask & ~IOMMUPage.offsetMask))
    if value & PageTableEntry.permission(for: access) == 0 { throw .notPermitted(address, access) }
    return (HostAddress(rawValue: UInt(host &+ (raw & mask))), mask &+ 1 &- (raw & mask))
  }

  @inlinable @inline(never)
  mutating func walk(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    work.add(.iotlbMisses, 1)
    return try Self.walk(address, for: access, core.pageTable, core.deviceTable, iotlb)
  }

  @usableFromInline
  static func walk(
    _ address: IOVA, for access: DMADirection, _ pageTable: PageTable, _ memory: RegionTable, _ iotlb: IOTLB
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let (entry, level) = pageTable.walk(address.rawValue >> IOMMUPage.shift)
    return try resolve(address, for: access, entry, level: level, memory, iotlb)
  }

  /// Where a leaf leads in the memory that the device sees, and enters that.
  @inline(__always)
  static func resolve(
    _ address: IOVA, for access: DMADirection, _ entry: PageTableEntry, level: Int, _ memory: RegionTable,
    _ iotlb: IOTLB
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let raw = address.rawValue
    guard entry.isPresent else { throw .notMapped(address) }
    guard entry.bits & PageTableEntry.permission(for: access) != 0 else { throw .notPermitted(address, access) }
    let permissions = entry.bits & PageTableEntry.permissionMask
    let leafMask = PageTable.span(level) << IOMMUPage.shift - 1
    let target = entry.address + (raw & leafMask)
    // 2 MiB at a time, or 4 KiB where the memory behind the leaf is not that much in one piece.
    if level > 1 {
      let mask = IOTLB.largeOffsetMask
      if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
        host.rawValue % UInt(IOMMUPage.size) == 0
      {
        iotlb.insertLarge(raw, UInt64(host.rawValue) | permissions)
        return (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
      }
    }
    let mask = IOMMUPage.offsetMask
    if let host = memory.translate(GuestPhysicalAddress(target & ~mask), length: mask + 1),
      host.rawValue % UInt(IOMMUPage.size) == 0
    {
      iotlb.insert(raw, UInt64(host.rawValue) | permissions)
      return (host.advanced(by: Int(raw & mask)), mask + 1 - raw & mask)
    }
    // A page at the edge of a region that does not end with it: translated each time, never beyond the edge.
    guard let (host, available) = memory.contiguous(from: GuestPhysicalAddress(target)) else {
      throw .badTarget(address, GuestPhysicalAddress(target))
    }
    return (host, min(available, mask + 1 - raw & mask))
  }
}
