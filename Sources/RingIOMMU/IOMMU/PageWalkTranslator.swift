public import RingKit

/// A translator whose IOTLB has a page table behind it, wherever that is and whoever walks it.
///
/// What is walked to is entered, a leaf of 2 MiB or more in the large pages. The thread that walks also serves
/// invalidations, so between a walk and entering its result nothing is acknowledged that the result contradicts.
@usableFromInline
protocol PageWalkTranslator: IOTLBTranslator, ~Copyable {
  /// Walks to the leaf that maps an address and enters it: ``translatePage(_:for:)`` where the IOTLB has no answer.
  mutating func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)
}

extension PageWalkTranslator where Self: ~Copyable {
  /// Where a range is that lies in one cached 2 MiB page which permits the access.
  @inlinable @inline(__always)
  mutating func largePageHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    let large = iotlb.lookupLarge(address.rawValue)
    let offset = address.rawValue & IOTLB.largeOffsetMask
    guard large & PageTableEntry.permission(for: access) != 0,
      byteCount <= IOTLB.largeOffsetMask &+ 1 &- offset
    else { return nil }
    let host = large & ~IOMMUPage.offsetMask &+ offset
    countHit(address.rawValue, host & ~IOMMUPage.offsetMask)
    return HostAddress(rawValue: UInt(host))
  }

  /// The host address of one byte, and how many bytes from there on its leaf covers.
  @inlinable @inline(__always)
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
    if value == 0 { return try miss(address, for: access) }
    let host = value & ~IOMMUPage.offsetMask
    countHit(raw, host &+ (raw & mask & ~IOMMUPage.offsetMask))
    if value & PageTableEntry.permission(for: access) == 0 { throw .notPermitted(address, access) }
    return (HostAddress(rawValue: UInt(host &+ (raw & mask))), mask &+ 1 &- (raw & mask))
  }

  @inlinable @inline(never)
  mutating func miss(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    work.add(.iotlbMisses, 1)
    return try fill(address, for: access)
  }
}
