public import RingKit

/// The device's side of the IOMMU paths: an IOTLB of its own with a walk of the page table behind it.
///
/// A value owned by the device's thread, which must also call ``service()`` often (unless the domain is
/// ``InvalidationServer/waiter``): drivers wait for it. Translating and serving happen on one thread, so a walk that
/// races an unmap either finds the entry cleared, or enters a translation that the invalidation behind it removes
/// before it is acknowledged. Up to 16 translators may be attached to a domain at a time.
@frozen
public struct IOMMUTranslator<Counter: WorkCounter>: LargePageTranslator, PageWalkTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter
  /// Whether every IOTLB hit is held against the page table, to count ``WorkEvent/staleHits``; only with a counter.
  public let isAuditing: Bool

  @usableFromInline let core: IOMMUCore
  @usableFromInline let iotlb: IOTLB
  @usableFromInline let server: Int
  // Keeps what `core` points to alive.
  private let domain: IOMMUDomain

  /// A translator with an empty IOTLB, attached to a domain until it goes away.
  ///
  /// - Parameters:
  ///   - domain: the device's address space.
  ///   - iotlbSets: sets of four 4 KiB pages, a power of two.
  ///   - isAuditing: whether hits are checked against the page table.
  ///   - counter: what counts the work.
  public init(domain: IOMMUDomain, iotlbSets: Int = 64, isAuditing: Bool = false, counter: Counter) {
    self.domain = domain
    core = domain.core
    iotlb = IOTLB(sets: iotlbSets)
    server = domain.core.invalidations.attach(iotlb)
    self.isAuditing = isAuditing
    work = counter
  }

  deinit {
    core.invalidations.detach(server)
    iotlb.deallocate()
  }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pageHit(address, byteCount, access) { return (host, byteCount) }
    if let host = largeHit(address, byteCount, access) { return (host, byteCount) }
    return try translateLong(address, byteCount: byteCount, for: access)
  }

  /// Where a range is that lies in one cached 2 MiB page which permits the access.
  @inlinable @inline(__always)
  public mutating func largeHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    largePageHit(address, byteCount, access)
  }

  /// Takes what the drivers want forgotten; one load when that is nothing.
  @inlinable @inline(__always)
  public mutating func service() {
    if !core.invalidations.isIdle(iotlb) { core.invalidations.serve(iotlb, server) }
  }

  @inlinable @inline(__always)
  func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    try iotlb.fill(address, for: access, from: core.pageTable, core.deviceTable)
  }
}

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
