// Public, because inlinable code may name only what its callers can see; no CRing type stands in the interface.
public import CRing
public import RingKit

/// DMA paths `iommu-strict` and `iommu-lazy`: every segment gets an IOVA and page-table entries of its own.
///
/// The order of work is Linux's (drivers/iommu/dma-iommu.c). Map: round to 4 KiB and keep the offset, allocate an IOVA,
/// write entries. Unmap: walk the table for the physical address, clear the entries, then either invalidate, wait and
/// free the IOVA, or leave both to the flush queue. Two segments in one page get two IOVAs. The device can reach the
/// whole pages a segment touches.
///
/// A value owned by the driver's thread; the domain behind it is shared. Before it goes away ``flush()`` it: IOVA
/// ranges still deferred then stay reserved as long as the domain lives, because it is not known when the device is
/// done with them.
@frozen
public struct IOMMUMapper<Counter: WorkCounter>: PairedPath, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter
  /// When unmapped ranges stop being reachable.
  public let policy: IOMMUPolicy
  /// Whose IOVA caches are used.
  public let cpu: Int

  @usableFromInline let core: IOMMUCore
  @usableFromInline var deferred: FlushQueue
  // Keeps what `core` points to alive.
  private let domain: IOMMUDomain

  /// A mapper of a domain.
  ///
  /// - Parameters:
  ///   - domain: the device's address space.
  ///   - policy: when unmapped ranges stop being reachable.
  ///   - cpu: the CPU this mapper's thread runs on, below ``IOMMUConfiguration/cpuCount``.
  ///   - counter: what counts the work.
  public init(domain: IOMMUDomain, policy: IOMMUPolicy, cpu: Int = 0, counter: Counter) {
    precondition(cpu >= 0 && cpu < domain.configuration.cpuCount, "the domain has no IOVA caches for CPU \(cpu)")
    self.domain = domain
    self.policy = policy
    self.cpu = cpu
    core = domain.core
    deferred = FlushQueue(isUsed: policy == .lazy)
    work = counter
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: IOMMUMapping { IOMMUMapping(address: IOVA(0), length: 0) }

  /// Allocates an IOVA and writes entries: readable for a device-readable segment, writable for a device-writable one.
  ///
  /// - Throws: `DMAError.outOfBounds(_:)`, `DMAError.beyondMask(_:limit:)` (ends above 2^52, what an entry holds),
  ///   `DMAError.iovaExhausted(pages:)`, `DMAError.pageTableExhausted`.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: IOMMUMapping) {
    let address = segment.address.rawValue
    let length = UInt64(segment.length)
    // Of the last byte; a sum that wraps is not inside a region.
    if segment.length == 0 || address &+ length &- 1 > PageTableEntry.addressMask | IOMMUPage.offsetMask
      || core.driverTable.translate(segment.address, length: length) == nil
    {
      throw Self.refusal(of: segment)
    }
    let pages = IOMMUPage.count(of: length, at: address)
    let page = try core.allocator.allocate(pages: pages, cpu: cpu, counter: &work)
    do {
      try core.pageTable.map(
        page, to: address >> IOMMUPage.shift, pages: pages,
        permissions: PageTableEntry.permission(for: direction), largestLeaf: core.largestLeaf, counter: &work)
    } catch {
      core.giveUp(page, pages: pages, cpu: cpu, counter: &work)
      throw error
    }
    work.add(.maps, 1)
    let iova = IOVA(page << IOMMUPage.shift | address & IOMMUPage.offsetMask)
    return (iova, IOMMUMapping(address: iova, length: segment.length))
  }

  /// Clears the entries, then invalidates and frees, at once or later.
  ///
  /// - Throws: `DMAError.notMapped(_:)`; `DMAError.invalidationTimedOut(nanoseconds:)`, and then the IOVA range
  ///   stays reserved, for the device may still reach it.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: IOMMUMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let page = mapping.page
    let pages = mapping.pageCount
    if mapping.length == 0 || core.pageTable.physicalAddress(page) == nil { throw .notMapped(mapping.address) }
    try core.pageTable.unmap(page, pages: pages, counter: &work)
    work.add(.unmaps, 1)
    if policy == .strict {
      try core.invalidations.invalidate(page, pages: pages, counter: &work)
      core.allocator.free(page, pages: pages, cpu: cpu)
    } else {
      try deferred.add(page, pages: pages, core: core, cpu: cpu, counter: &work)
    }
    return 0
  }

  /// An IOTLB of the usual size in front of the domain's page table.
  public func makeTranslator() -> IOMMUTranslator<Counter> { IOMMUTranslator(domain: domain, counter: Counter()) }

  /// Flushes when the oldest deferred unmap is 10 ms old, and trims the IOVA depots every 100 ms.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {
    if policy == .lazy { try deferred.poll(core: core, cpu: cpu, counter: &work) }
    if core.allocator.mayTrim { core.allocator.trim(now: cring_nanoseconds()) }
  }

  /// Ends the window of every deferred unmap of this mapper: one flush of the domain, unless there is none.
  @inlinable
  public mutating func flush() throws(DMAError) {
    if policy == .lazy { try deferred.drain(core: core, cpu: cpu, counter: &work) }
  }

  @usableFromInline @inline(never)
  static func refusal(of segment: MemorySegment) -> DMAError {
    let limit = PageTableEntry.addressMask | IOMMUPage.offsetMask
    let (end, overflow) = segment.address.rawValue.addingReportingOverflow(UInt64(segment.length))
    return segment.length != 0 && (overflow || end - 1 > limit)
      ? .beyondMask(segment, limit: limit) : .outOfBounds(segment)
  }
}

extension IOMMUMapper where Counter == UncountedWork {
  /// A mapper with an address space of its own; counts nothing.
  public init(_ memory: GuestMemory, policy: IOMMUPolicy = .strict) {
    self.init(domain: IOMMUDomain(memory: memory), policy: policy, counter: UncountedWork())
  }
}

extension IOMMUMapper: ResumableMapper {
  /// The segment's IOVA.
  public func address(of mapping: IOMMUMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    let offset = segment.address.rawValue & IOMMUPage.offsetMask
    guard mapping.length == segment.length, mapping.length != 0,
      let page = core.pageTable.physicalAddress(mapping.page),
      page | offset == segment.address.rawValue, mapping.address.rawValue & IOMMUPage.offsetMask == offset
    else { throw .notMapped(mapping.address) }
    return mapping.address
  }

  /// Takes exactly this IOVA range and writes its entries.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> IOMMUMapping {
    let length = UInt64(segment.length)
    let last = segment.address.rawValue &+ length &- 1
    guard length != 0, last <= PageTableEntry.addressMask | IOMMUPage.offsetMask,
      core.driverTable.translate(segment.address, length: length) != nil
    else { throw Self.refusal(of: segment) }
    let page = address.rawValue >> IOMMUPage.shift
    let pages = IOMMUPage.count(of: length, at: segment.address.rawValue)
    guard address.rawValue & IOMMUPage.offsetMask == segment.address.rawValue & IOMMUPage.offsetMask else {
      throw .notResumable(segment, at: address)
    }
    guard core.allocator.reserve(page, pages: pages) else { throw .alreadyMapped(address) }
    do {
      try core.pageTable.map(
        page, to: segment.address.rawValue >> IOMMUPage.shift, pages: pages,
        permissions: PageTableEntry.permission(for: direction), largestLeaf: core.largestLeaf, counter: &work)
    } catch {
      core.giveUp(page, pages: pages, cpu: cpu, counter: &work)
      throw error
    }
    work.add(.maps, 1)
    return IOMMUMapping(address: address, length: segment.length)
  }
}

/// What the IOMMU paths remember of one mapping: enough to find its page-table entries and its IOVA range again.
@frozen
public struct IOMMUMapping: BitwiseCopyable, Sendable, Hashable {
  /// The address that stands in the descriptor.
  public let address: IOVA
  /// Bytes mapped from there; 0 for a slot in which nothing is mapped.
  public let length: UInt32

  @inlinable
  package init(address: IOVA, length: UInt32) {
    self.address = address
    self.length = length
  }

  /// The 4 KiB page the mapping starts in.
  @inlinable
  package var page: UInt64 { address.rawValue >> IOMMUPage.shift }

  /// Pages touched by the mapping.
  @inlinable
  package var pageCount: UInt64 { IOMMUPage.count(of: UInt64(length), at: address.rawValue) }
}

/// When an unmapped range stops being reachable for the device (Linux: `iommu.strict=1` and `iommu.strict=0`).
@frozen
public enum IOMMUPolicy: UInt8, Sendable, CaseIterable {
  /// Before the unmap returns: each one posts an invalidation and waits for it.
  case strict
  /// With the next flush of the whole domain: after 255 unmaps, after 10 ms, or when asked. Until then an IOTLB entry
  /// that was filled before still translates: the window in which a misbehaving device reaches memory it gave back.
  case lazy
}

/// The parts of a domain as its hot paths hold them: pointers and numbers, nothing counted.
///
/// Its owner holds the ``IOMMUDomain`` too.
@frozen @safe
@usableFromInline
struct IOMMUCore: @unchecked Sendable {
  @usableFromInline let allocator: IOVAAllocator
  @usableFromInline let pageTable: PageTable
  @usableFromInline let invalidations: InvalidationQueue
  // Whole-domain flushes begun and, a line pair further on, finished.
  @usableFromInline let flushCounts: UnsafeMutableRawPointer
  // From the first deferred unmap to its flush, in cycles.
  @usableFromInline let flushCycles: UInt64
  // The highest level a leaf may stand at.
  @usableFromInline let largestLeaf: Int
  @usableFromInline let driverTable: RegionTable
  @usableFromInline let deviceTable: RegionTable

  init(memory: GuestMemory, configuration: IOMMUConfiguration, flushCycles: UInt64, tables: MemoryRegion?) {
    precondition(
      configuration.iovaLimit >= 2 * IOMMUPage.size && configuration.iovaLimit <= 1 << 48,
      "an IOVA limit is between two pages and 2^48")
    allocator = IOVAAllocator(
      cpuCount: configuration.cpuCount, limit: configuration.iovaLimit >> IOMMUPage.shift)
    if let tables {
      let offset = SharedDomainLayout.arenaOffset
      pageTable = PageTable(
        in: GuestBuffer(whole: tables).slice(at: offset, byteCount: tables.byteCount - offset))
      invalidations = InvalidationQueue(
        publishing: tables.hostBase, servedBy: configuration.servedBy, timeout: configuration.invalidationTimeout)
    } else {
      pageTable = PageTable(maximumPages: configuration.maximumTablePages)
      invalidations = InvalidationQueue(
        servedBy: configuration.servedBy, timeout: configuration.invalidationTimeout)
    }
    unsafe flushCounts = RawBlock.allocate(256)
    self.flushCycles = flushCycles
    largestLeaf = configuration.usesLargePages ? PageTable.largestLeaf : 1
    driverTable = memory.driverTable
    deviceTable = memory.deviceTable
  }

  /// Frees a range whose map failed, be it half-way.
  ///
  /// Its entries are cleared again. A device may have cached entries of the half-made mapping. They are invalidated
  /// before the range is reused, whatever the policy, as Linux does. A range that cannot be invalidated stays reserved.
  @inlinable @inline(never)
  func giveUp<Counter: WorkCounter>(_ page: UInt64, pages: UInt64, cpu: Int, counter: inout Counter) {
    // The map of a single page fails before it writes.
    if pages > 1 {
      do throws(DMAError) { try invalidations.invalidate(page, pages: pages, counter: &counter) } catch { return }
    }
    allocator.free(page, pages: pages, cpu: cpu)
  }

  func deallocate() {
    allocator.deallocate()
    pageTable.deallocate()
    invalidations.deallocate()
    unsafe RawBlock.free(flushCounts)
  }
}
