public import RingKit

/// The parts of a domain as its hot paths hold them: pointers and numbers, nothing counted.
///
/// Whoever holds one holds the ``IOMMUDomain`` too.
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
    largestLeaf = configuration.usesLargePages ? 3 : 1
    driverTable = memory.driverTable
    deviceTable = memory.deviceTable
  }

  /// Frees a range whose map failed, be it half-way.
  ///
  /// Its entries are cleared again, but meanwhile a device may have cached some that it had no business to look at:
  /// invalidated first, whatever the policy, as Linux does, or they would lead astray who gets the range next. A range
  /// that cannot be invalidated stays reserved.
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
