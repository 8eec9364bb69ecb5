/// One kind of work a DMA path or a ring does, as the counters tell it apart.
///
/// Raw values are the names in `ringbench`'s JSON.
@frozen
public enum WorkEvent: String, CaseIterable, Sendable {
  /// Segments mapped (each element of a buffer, and each indirect table).
  case maps
  /// Segments unmapped.
  case unmaps
  /// IOVA ranges served from the CPU's loaded or previous magazine.
  case iovaFromMagazine
  /// IOVA ranges served after a full magazine was fetched from the depot.
  case iovaFromDepot
  /// IOVA ranges served by searching the tree.
  case iovaFromTree
  /// Page-table entries written, both set and cleared.
  case pageTableWrites
  /// Invalidation descriptors posted: page-selective ones and whole-domain ones.
  case invalidations
  /// Wait descriptors posted and waited for.
  case invalidationWaits
  /// Unmaps whose invalidation was deferred: each opened a window in which a stale IOTLB entry still translates.
  case deferredUnmaps
  /// Translations an IOTLB entry answered.
  case iotlbHits
  /// Translations that walked the page table.
  case iotlbMisses
  /// IOTLB hits whose page-table entry was already cleared: accesses inside the lazy window. Counted in audits only.
  case staleHits
  /// Bytes copied from a buffer into its bounce slot.
  case bytesCopiedIn
  /// Bytes copied from a bounce slot back into its buffer.
  case bytesCopiedOut
  /// Bounce slots looked at before a free run was found.
  case slotsSearched
  /// Times an area had no room and the next one was tried.
  case areasSkipped
  /// Requests to the VMM that were waited for: each map and each unmap behind an emulated IOMMU is one.
  case exits
  /// IOTLB misses that only the VMM could answer: a request and its reply each.
  case missMessages
  /// System calls made to change a mapping of the CPU's own page table.
  case systemCalls
  /// Segments that found what they lie in mapped already, for another segment in it.
  case mergedMaps
  /// Segments copied on a path that hands over others as they are: beyond a device's mask, or short of a threshold.
  case bounced
  /// Notifications that were due.
  case notifications
  /// Notifications the other side had suppressed.
  case notificationsSuppressed
}
