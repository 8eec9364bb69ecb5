internal import CRing
public import RingKit

/// The device's side of the IOMMU paths in a process of its own: an IOTLB with a walk of the driver's page table behind
/// it.
///
/// Looks up, walks and serves as ``IOMMUTranslator`` does; what it reads the driver may write at any time, so every
/// entry is checked. A value owned by the device's thread, which must also call ``service()`` often: drivers wait for
/// it.
@frozen
public struct RemoteIOMMUTranslator<Counter: WorkCounter>: LargePageTranslator, IOTLBTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter

  @usableFromInline let iotlb: IOTLB
  @usableFromInline let requests: SharedRequests
  @usableFromInline let deviceTable: RegionTable
  @usableFromInline let pageTable: PageTableView
  // Keep what is pointed to mapped.
  private let domain: SharedDomain
  private let memory: GuestMemory
  // Of the driver's side, where that serves for this one.
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

  /// Has the thread that waits serve for this translator until it goes away (``InvalidationServer/waiter``): for
  /// tests, in which both ends live on one thread.
  package mutating func beServed(by attachment: DomainAttachment) {
    attachment.serve(for: iotlb)
    self.attachment = attachment
  }

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
  ///
  /// - Throws: `DMAFault`, among it `DMAFault.badEntry(_:_:level:)`.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pageHit(address, byteCount, access) { return (host, byteCount) }
    if let host = largePageHit(address, byteCount, access) { return (host, byteCount) }
    return try translateLong(address, byteCount: byteCount, for: access)
  }

  /// Where a range is that lies in one cached 2 MiB page which permits the access.
  @inlinable @inline(__always)
  public mutating func largeHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    recentPageHit(address, byteCount, access)
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

/// A page table that a driver in another process keeps, as the device walks it.
///
/// Each entry is read once, and followed only to a page of the memory that the table was passed in; what no driver
/// writes is a typed fault. Where a leaf leads is looked up in the device's own regions by the caller.
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
    // The root is not a lower table.
    return entry.isTable && entry.address > 0 && entry.address <= byteCount - 4096
  }
}
