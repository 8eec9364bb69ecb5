public import RingKit

/// The device's side of the path `mmu`: an address is a place in the window.
///
/// What it is asked for it holds against the window's words, and faults in type where they say no. Whoever goes on with
/// an address after its unmap is beyond that, and meets the hardware. A value owned by the device's thread.
@frozen
public struct MMUTranslator<Counter: WorkCounter>: DMATranslator, ~Copyable {
  /// What the queue around it did.
  public var work: Counter

  @usableFromInline let core: MMUCore
  // Keeps what `core` points to alive.
  private let window: MMUWindow

  /// A translator of a window.
  public init(window: MMUWindow, counter: Counter) {
    self.window = window
    core = window.core
    work = counter
  }

  /// Adds, after a look at each page.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let wanted = PageTableEntry.permission(for: access)
    let first = address.rawValue >> IOMMUPage.shift
    let found = core.permission(first)
    if found & wanted == 0 { throw found == 0 ? .notMapped(address) : .notPermitted(address, access) }
    var reached = IOMMUPage.size &- address.rawValue & IOMMUPage.offsetMask
    var page = first
    while reached < byteCount {
      page &+= 1
      if core.permission(page) & wanted == 0 { break }
      reached &+= IOMMUPage.size
    }
    // SAFETY: the first page is below the window's end, and so is every page that was added.
    let host = unsafe HostAddress(core.base + Int(address.rawValue))
    return (host, min(reached, byteCount))
  }

  /// There is no IOMMU to serve on this side.
  @inlinable @inline(__always)
  public mutating func service() {}

  /// There is no IOMMU to serve on this side.
  public mutating func shareThread(_ isShared: Bool) {}
}
