package import RingKit

extension IOMMUDomain {
  /// Takes a range of IOVA pages and maps nothing there, for a benchmark of the allocator alone.
  ///
  /// - Throws: ``DMAError/iovaExhausted(pages:)``.
  package func takeRange(pages: UInt64, cpu: Int) throws(DMAError) -> UInt64 {
    var nothing = Uncounted()
    return try core.allocator.allocate(pages: pages, cpu: cpu, counter: &nothing.work)
  }

  /// Gives back what ``takeRange(pages:cpu:)`` took for as many pages.
  package func giveRange(_ page: UInt64, pages: UInt64, cpu: Int) {
    core.allocator.free(page, pages: pages, cpu: cpu)
  }

  /// Asks for one page to be forgotten, and waits for every translator that is attached.
  ///
  /// - Throws: ``DMAError/invalidationTimedOut(nanoseconds:)``.
  package func invalidate(_ page: UInt64) throws(DMAError) {
    var nothing = Uncounted()
    try core.invalidations.invalidate(page, pages: 1, counter: &nothing.work)
  }

  // A variable of no size has no address of its own, and the thread sanitizer looks at whatever it gets for one.
  private struct Uncounted {
    var work = NoWork()
    var place: UInt8 = 0
  }
}
