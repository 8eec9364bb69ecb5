public import RingKit

/// The device's side of `hybrid`: an ``IOMMUTranslator``, or a ``RemoteIOMMUTranslator``, that looks among the 2 MiB
/// pages first.
///
/// Short segments come through the shadow buffers, which are mapped once and, with large pages, lie in few leaves; for
/// each of them the sets of 4 KiB pages would be searched in vain. Long segments pay one comparison more. What is
/// entered and what is forgotten is the same. Owned by the device's thread.
@frozen
public struct HybridTranslator<Pages: LargePageTranslator & ~Copyable>: DMATranslator, ~Copyable {
  @usableFromInline var pages: Pages

  /// A translator that asks `pages` for what is in no cached 2 MiB page.
  public init(_ pages: consuming Pages) { self.pages = pages }

  /// What this translator and the queue around it did.
  @inlinable
  public var work: Pages.Counter {
    @inline(__always) get { pages.work }
    @inline(__always) set { pages.work = newValue }
  }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pages.largeHit(address, byteCount, access) { return (host, byteCount) }
    return try pages.translate(address, byteCount: byteCount, for: access)
  }

  /// Takes what the drivers want forgotten; one load when that is nothing.
  @inlinable @inline(__always)
  public mutating func service() { pages.service() }

  /// Passed on.
  public mutating func shareThread(_ isShared: Bool) { pages.shareThread(isShared) }
}
