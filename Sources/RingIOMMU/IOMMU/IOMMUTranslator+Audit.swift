public import RingKit

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
}
