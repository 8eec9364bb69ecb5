public import RingKit

/// The device's side of the IOMMU paths: an IOTLB of its own with a walk of the page table behind it.
///
/// A value owned by the device's thread, which must also call ``service()`` often (unless the domain is
/// ``InvalidationServer/waiter``): drivers wait for it. Translating and serving happen on one thread, so a walk that
/// races an unmap either finds the entry cleared, or enters a translation that the invalidation behind it removes
/// before it is acknowledged. While its driver shares the thread (``shareThread(_:)``) drivers of other queues serve it
/// too, under a lock that it takes to walk. Up to 16 translators may be attached to a domain at a time.
@frozen
public struct IOMMUTranslator<Counter: WorkCounter>: LargePageTranslator, IOTLBTranslator, ~Copyable {
  /// What this translator and the queue around it did.
  public var work: Counter
  /// Whether every IOTLB hit is held against the page table, to count `WorkEvent.staleHits`; only with a counter.
  public let isAuditing: Bool

  @usableFromInline let core: IOMMUCore
  @usableFromInline let iotlb: IOTLB
  @usableFromInline let server: Int
  // Keeps what `core` points to alive.
  private let domain: IOMMUDomain

  /// A translator with an empty IOTLB, attached to a domain until it goes away; one more than 16 stops the process.
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

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
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
    if !core.invalidations.isIdle(iotlb) { core.invalidations.serve(iotlb, server) }
  }

  /// Whether the driver, on this thread, serves this translator's invalidations while it waits.
  ///
  /// Drivers of other queues of the domain, on any thread, do so too when they wait.
  public mutating func shareThread(_ isShared: Bool) { core.invalidations.setServedByWaiter(server, isShared) }

  @inlinable @inline(__always)
  func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if core.invalidations.isServedByWaiter(server) { return try core.fillLocked(iotlb, address, for: access) }
    return try iotlb.fill(address, for: access, from: core.pageTable, core.deviceTable)
  }

  @inlinable @inline(__always)
  func noteRecent(_ address: UInt64) {
    if core.invalidations.isServedByWaiter(server) {
      core.invalidations.setRecent(iotlb, address)
    } else {
      iotlb.setRecent(address)
    }
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

/// A translator with an ``IOTLB`` in front of what it asks on a miss: a page table in this process or another one, a
/// VMM, or the translations that came in messages.
///
/// Where a miss walks a page table, a leaf of 2 MiB or more is entered in the large pages. The thread that walks also
/// serves invalidations, so between a walk and entering its result nothing is acknowledged that the result contradicts.
@usableFromInline
protocol IOTLBTranslator: DMATranslator, ~Copyable {
  /// Where every look-up begins.
  var iotlb: IOTLB { get }

  /// Finds what maps an address and enters it: ``translatePage(_:for:)`` where the IOTLB has no answer.
  mutating func fill(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)

  /// Where one byte is, and how many bytes from there on are contiguous as far as one look-up tells.
  mutating func translatePage(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)

  /// Has the IOTLB answer first for the 2 MiB page of an address.
  func noteRecent(_ address: UInt64)

  /// Counts what was found for an address in the IOTLB: the host address of its 4 KiB page.
  mutating func countHit(_ address: UInt64, _ host: UInt64)
}

extension IOTLBTranslator where Self: ~Copyable {
  @inlinable @inline(__always)
  mutating func countHit(_ address: UInt64, _ host: UInt64) { work.add(.iotlbHits, 1) }

  /// On the only thread that writes the IOTLB.
  @inlinable
  func noteRecent(_ address: UInt64) { iotlb.setRecent(address) }

  /// Where a range is that lies in one cached 4 KiB page which permits the access.
  @inlinable @inline(__always)
  mutating func pageHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    let value = iotlb.lookup(address.rawValue)
    let offset = address.rawValue & IOMMUPage.offsetMask
    guard value & PageTableEntry.permission(for: access) != 0 && byteCount <= IOMMUPage.size &- offset else {
      return nil
    }
    countHit(address.rawValue, value & ~IOMMUPage.offsetMask)
    return unsafe HostAddress(rawValue: UInt(value & ~IOMMUPage.offsetMask &+ offset))
  }

  /// A range that is not, or not as a whole, in one cached page: joins pages as long as they are contiguous here.
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
      // An error of the next page is reported by the access to that page.
      guard let next = try? translatePage(IOVA(address.rawValue &+ total), for: access),
        next.host.rawValue == first.host.rawValue &+ UInt(total)
      else { break }
      total &+= next.byteCount
    }
    return (first.host, min(total, byteCount))
  }
}

extension IOTLBTranslator where Self: ~Copyable {
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
    return unsafe HostAddress(rawValue: UInt(host))
  }

  /// The same where most ranges lie in the page hit last.
  @inlinable @inline(__always)
  mutating func recentPageHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    guard let host = iotlb.recent(address.rawValue, byteCount) else {
      return otherLargePageHit(address, byteCount, access)
    }
    countHit(address.rawValue, host & ~IOMMUPage.offsetMask)
    return unsafe HostAddress(rawValue: UInt(host))
  }

  @inlinable @inline(never)
  mutating func otherLargePageHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress? {
    // Asked first: what is not there, or permits one direction alone, costs no lock.
    if iotlb.lookupLarge(address.rawValue) & PageTableEntry.permissionMask == PageTableEntry.permissionMask {
      noteRecent(address.rawValue)
    }
    return largePageHit(address, byteCount, access)
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
    return unsafe (HostAddress(rawValue: UInt(host &+ (raw & mask))), mask &+ 1 &- (raw & mask))
  }

  @inlinable @inline(never)
  mutating func miss(
    _ address: IOVA, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    work.add(.iotlbMisses, 1)
    return try fill(address, for: access)
  }
}

/// A translator that caches 2 MiB pages apart from those of 4 KiB, and can be asked for them alone.
public protocol LargePageTranslator: DMATranslator, ~Copyable {
  /// Where a range is that lies in one cached 2 MiB page which permits the access; `nil` when that has to be looked
  /// for.
  mutating func largeHit(_ address: IOVA, _ byteCount: UInt64, _ access: DMADirection) -> HostAddress?
}
