public import RingKit

/// The device's side of the IOMMU paths in a process of its own: an IOTLB with a walk of the driver's page table behind
/// it.
///
/// Looks up, walks and serves as ``IOMMUTranslator`` does; what it reads the driver may write at any time, so every
/// entry is checked. A value owned by the device's thread, which must also call ``service()`` often: drivers wait for
/// it.
@frozen
public struct RemoteIOMMUTranslator<Counter: WorkCounter>: LargePageTranslator, PageWalkTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter

  @usableFromInline let iotlb: IOTLB
  @usableFromInline let requests: SharedRequests
  @usableFromInline let deviceTable: RegionTable
  @usableFromInline let pageTable: PageTableView
  // Keep what is pointed to mapped.
  private let domain: SharedDomain
  private let memory: GuestMemory
  // Of the driver's side, where that serves in this one's place.
  private var attachment: DomainAttachment?

  /// A translator with an empty IOTLB.
  ///
  /// - Parameters:
  ///   - domain: what the driver passed of the address space; one translator has it.
  ///   - memory: what the driver passed of the guest.
  ///   - iotlbSets: sets of four 4 KiB pages, a power of two.
  ///   - counter: what counts the work.
  public init(domain: SharedDomain, memory: GuestMemory, iotlbSets: Int = 64, counter: Counter) {
    self.domain = domain
    self.memory = memory
    deviceTable = memory.deviceTable
    pageTable = domain.pageTable
    requests = domain.requests
    iotlb = IOTLB(sets: iotlbSets)
    requests.begin(iotlb)
    work = counter
  }

  deinit {
    attachment?.detach()
    iotlb.deallocate()
  }

  /// Has the thread that waits serve in this translator's place until it goes away (``InvalidationServer/waiter``): for
  /// tests, in which both ends live on one thread.
  package mutating func beServed(by attachment: DomainAttachment) {
    attachment.serve(inPlace: iotlb)
    self.attachment = attachment
  }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
  ///
  /// - Throws: ``DMAFault``, among it ``DMAFault/badEntry(_:_:level:)``.
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
    if !requests.isIdle(iotlb) { requests.serve(iotlb) }
  }

  /// The driver is in another process.
  public mutating func shareThread(_ isShared: Bool) {}

  @inlinable @inline(__always)
  func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    try iotlb.fill(address, for: access, from: pageTable, deviceTable)
  }
}
