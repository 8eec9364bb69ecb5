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
  @usableFromInline let driverTable: RegionTable
  @usableFromInline let deviceTable: RegionTable

  init(memory: GuestMemory, configuration: IOMMUConfiguration, flushCycles: UInt64) {
    precondition(
      configuration.iovaLimit >= 2 * IOMMUPage.size && configuration.iovaLimit <= 1 << 48,
      "an IOVA limit is between two pages and 2^48")
    allocator = IOVAAllocator(
      cpuCount: configuration.cpuCount, limit: configuration.iovaLimit >> IOMMUPage.shift)
    pageTable = PageTable(maximumPages: configuration.maximumTablePages)
    invalidations = InvalidationQueue(
      servedBy: configuration.servedBy, timeout: configuration.invalidationTimeout)
    unsafe flushCounts = RawBlock.allocate(256)
    self.flushCycles = flushCycles
    driverTable = memory.driverTable
    deviceTable = memory.deviceTable
  }

  func deallocate() {
    allocator.deallocate()
    pageTable.deallocate()
    invalidations.deallocate()
    unsafe RawBlock.free(flushCounts)
  }
}
