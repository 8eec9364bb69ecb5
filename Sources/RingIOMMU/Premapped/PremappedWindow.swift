internal import RingKit

/// One buffer that is mapped for good.
@frozen
@usableFromInline
struct PremappedWindow: BitwiseCopyable {
  // What segments may lie in, and the IOVA of its first byte.
  @usableFromInline var guestBase: UInt64 = 0
  @usableFromInline var byteCount: UInt64 = 0
  @usableFromInline var iovaBase: UInt64 = 0
  // What was allocated: its first page and size.
  var page: UInt64 = 0
  var pages: UInt64 = 0

  init() {}
}

extension IOMMUCore {
  /// Maps a range for both directions, for good.
  ///
  /// - Throws: ``DMAError``; then nothing is mapped.
  func premap<Counter: WorkCounter>(
    _ address: GuestPhysicalAddress, _ byteCount: UInt64, largePages: Bool, cpu: Int, counter: inout Counter
  ) throws(DMAError) -> PremappedWindow {
    let raw = address.rawValue
    guard byteCount > 0, driverTable.translate(address, length: byteCount) != nil else {
      throw .outOfBounds(MemorySegment(address, length: UInt32(clamping: byteCount)))
    }
    guard raw <= PageTableEntry.addressMask, byteCount <= PageTableEntry.addressMask - raw else {
      throw .beyondMask(
        MemorySegment(address, length: UInt32(clamping: byteCount)), limit: PageTableEntry.addressMask)
    }
    let largePages = largePages && largestLeaf > 1
    let pages = IOMMUPage.count(of: byteCount, at: raw)
    let target = raw >> IOMMUPage.shift
    // A leaf needs IOVA and target equally far into it. Ranges start at multiples of their size, so as many pages as
    // the target is into its leaf are left out in front.
    let leaf: UInt64 = pages >= 2 * PageTable.span(3) ? PageTable.span(3) : PageTable.span(2)
    let front = largePages && pages >= PageTable.span(2) ? target & (leaf - 1) : 0
    let page = try allocator.allocate(pages: front + pages, cpu: cpu, counter: &counter)
    do {
      try pageTable.map(
        page + front, to: target, pages: pages, permissions: PageTableEntry.permissionMask,
        largestLeaf: largePages ? 3 : 1, counter: &counter)
    } catch {
      giveUp(page, pages: front + pages, cpu: cpu, counter: &counter)
      throw error
    }
    counter.add(.maps, 1)
    var window = PremappedWindow()
    window.guestBase = raw
    window.byteCount = byteCount
    window.iovaBase = (page + front) << IOMMUPage.shift | raw & IOMMUPage.offsetMask
    window.page = page
    window.pages = front + pages
    return window
  }

  /// Unmaps what ``premap(_:_:largePages:cpu:counter:)`` mapped, strictly.
  ///
  /// - Throws: ``DMAError``; then the IOVA range stays reserved.
  func release<Counter: WorkCounter>(
    _ window: PremappedWindow, cpu: Int, counter: inout Counter
  ) throws(DMAError) {
    let first = window.iovaBase >> IOMMUPage.shift
    let pages = IOMMUPage.count(of: window.byteCount, at: window.iovaBase)
    try pageTable.unmap(first, pages: pages, counter: &counter)
    counter.add(.unmaps, 1)
    try invalidations.invalidate(first, pages: pages, counter: &counter)
    allocator.free(window.page, pages: window.pages, cpu: cpu)
  }
}
