// Public, because inlinable code may name only what its callers can see; no CRing type stands in the interface.
public import CRing
public import RingKit

/// DMA path `viommu`: an IOMMU that a VMM emulates, driver's side (VT-d with caching mode, `iommu_platform=on`).
///
/// Maps and unmaps as `iommu-strict` does. Beyond that every map is invalidated too, because the VMM keeps a copy of
/// the table and learns of an entry from its invalidation alone; so every map and every unmap is an exit, whose price
/// is the `Exit`. Never deferred: Linux forces strict in caching mode. The device can reach the whole pages a segment
/// touches.
///
/// A value owned by the driver's thread; the domain behind it is shared.
@frozen
public struct ViommuMapper<Exit: ViommuExit, Counter: WorkCounter>: DrainedMapper, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter
  /// Whose IOVA caches are used.
  public let cpu: Int

  @usableFromInline var exit: Exit
  @usableFromInline let core: IOMMUCore
  // Keeps what `core` points to alive.
  private let domain: IOMMUDomain

  /// A mapper of a domain.
  ///
  /// - Parameters:
  ///   - domain: the device's address space; its page table is the one the guest writes.
  ///   - exit: how the VMM is told.
  ///   - cpu: the CPU this mapper's thread runs on, below ``IOMMUConfiguration/cpuCount``.
  ///   - counter: what counts the work.
  public init(domain: IOMMUDomain, exit: Exit, cpu: Int = 0, counter: Counter) {
    precondition(cpu >= 0 && cpu < domain.configuration.cpuCount, "the domain has no IOVA caches for CPU \(cpu)")
    self.domain = domain
    self.exit = exit
    self.cpu = cpu
    core = domain.core
    work = counter
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: IOMMUMapping { IOMMUMapping(address: IOVA(0), length: 0) }

  /// Allocates an IOVA, writes entries, and tells VMM and device of them.
  ///
  /// - Throws: `DMAError` as ``IOMMUMapper/map(_:_:)``, or `DMAError.custom(_:)`.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: IOMMUMapping) {
    let address = segment.address.rawValue
    let length = UInt64(segment.length)
    if segment.length == 0 || address &+ length &- 1 > PageTableEntry.addressMask | IOMMUPage.offsetMask
      || core.driverTable.translate(segment.address, length: length) == nil
    {
      throw IOMMUMapper<Counter>.refusal(of: segment)
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
    let start = IOVA(page << IOMMUPage.shift)
    work.add(.exits, 1)
    do throws(ViommuFailure) {
      try exit.mapped(start, to: GuestPhysicalAddress(address & ~IOMMUPage.offsetMask), pages: pages, direction)
    } catch { throw takeBack(page, pages, error) }
    do { try core.invalidations.invalidate(page, pages: pages, counter: &work) } catch {
      _ = takeBack(page, pages, .closed)
      try? exit.unmapped(start, pages: pages)
      throw error
    }
    work.add(.maps, 1)
    let iova = IOVA(start.rawValue | address & IOMMUPage.offsetMask)
    return (iova, IOMMUMapping(address: iova, length: segment.length))
  }

  /// Clears the entries, tells VMM and device, waits for both, and frees the IOVA.
  ///
  /// - Throws: `DMAError.notMapped(_:)`; `DMAError.custom(_:)` or
  ///   `DMAError.invalidationTimedOut(nanoseconds:)`, and then the IOVA range stays reserved, for the device may
  ///   still reach it.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: IOMMUMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let page = mapping.page
    let pages = mapping.pageCount
    if mapping.length == 0 || core.pageTable.physicalAddress(page) == nil { throw .notMapped(mapping.address) }
    try core.pageTable.unmap(page, pages: pages, counter: &work)
    work.add(.unmaps, 1)
    work.add(.exits, 1)
    var failure: ViommuFailure?
    // The VMM first: what the device asks it from now on it does not learn, and what it learned before it forgets
    // below.
    do throws(ViommuFailure) { try exit.unmapped(IOVA(page << IOMMUPage.shift), pages: pages) } catch {
      failure = error
    }
    try core.invalidations.invalidate(page, pages: pages, counter: &work)
    if let failure { throw .custom(failure.dmaError) }
    core.allocator.free(page, pages: pages, cpu: cpu)
    return 0
  }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  /// Trims the IOVA depots every 100 ms.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {
    if core.allocator.mayTrim { core.allocator.trim(now: cring_nanoseconds()) }
  }

  /// Clears the entries of a map that the VMM was not told of; frees the IOVA if it surely knows nothing.
  @usableFromInline @inline(never)
  mutating func takeBack(_ page: UInt64, _ pages: UInt64, _ failure: ViommuFailure) -> DMAError {
    // Written by the call that failed, so clearing them cannot.
    try? core.pageTable.unmap(page, pages: pages, counter: &work)
    if case .refused = failure { core.giveUp(page, pages: pages, cpu: cpu, counter: &work) }
    return .custom(failure.dmaError)
  }
}

extension ViommuMapper: PairedPath where Exit == InjectedExit {
  /// An IOTLB of the usual size in front of the domain's page table, which no other process holds.
  public func makeTranslator() -> IOMMUTranslator<Counter> { IOMMUTranslator(domain: domain, counter: Counter()) }
}

/// What an emulated IOMMU's driver pays for telling the VMM that it changed a mapping.
///
/// Owned by one thread, inside one ``ViommuMapper``. Either a real request to another process (``ViommuClient``) or a
/// time that was given (``InjectedExit``).
public protocol ViommuExit {
  /// Tells of new entries, and returns when the VMM knows them.
  ///
  /// - Throws: ``ViommuFailure``; after `ViommuFailure.refused(_:)` the VMM knows none of them.
  mutating func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure)

  /// Tells of cleared entries, and returns when the VMM has forgotten them.
  mutating func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure)
}

/// An exit to the VMM whose price was given: the calling thread is busy for that long.
///
/// What a figure holds of it was not measured. The device's misses are not priced: it walks the page table itself.
@frozen
public struct InjectedExit: ViommuExit, Sendable {
  @usableFromInline let cycles: UInt64

  /// An exit of that many nanoseconds, at most a second.
  public init(nanoseconds: UInt64) {
    precondition(nanoseconds <= 1_000_000_000, "an exit takes at most a second")
    cycles = nanoseconds == 0 ? 0 : max(nanoseconds &* (cring_cycles_per_second() / 1000) / 1_000_000, 1)
  }

  /// Is busy.
  @inlinable @inline(__always)
  public mutating func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure) { spend() }

  /// Is busy.
  @inlinable @inline(__always)
  public mutating func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure) { spend() }

  @inlinable @inline(__always)
  func spend() {
    if cycles == 0 { return }
    let start = cring_cycles()
    while cring_cycles() &- start < cycles { cring_spin_hint() }
  }
}
