/// Something that is told what work was done.
///
/// A type parameter of every mapper and translator, so that a run without counters contains no trace of them
/// (``UncountedWork``) and a run with them counts exactly (``CountedWork``). Owned by the thread that owns the queue
/// end.
public protocol WorkCounter: BitwiseCopyable, Sendable {
  /// A counter that has seen nothing.
  init()
  /// Tells that `event` happened `amount` times (or moved that many bytes).
  mutating func add(_ event: WorkEvent, _ amount: UInt64)
  /// What was counted so far.
  var counts: WorkCounts { get }
  /// Whether anything is counted at all; a constant, so that work done only for a counter disappears with it.
  static var isCounting: Bool { get }
}

/// The counter that does not count: what a timed run uses.
@frozen
public struct UncountedWork: WorkCounter {
  /// Nothing to prepare.
  @inlinable
  public init() {}

  /// Does nothing.
  @inlinable @inline(__always)
  public mutating func add(_ event: WorkEvent, _ amount: UInt64) {}

  /// All zero.
  public var counts: WorkCounts { WorkCounts() }

  /// False.
  @inlinable
  public static var isCounting: Bool { false }
}

/// The counter that counts: twenty-three words, one per ``WorkEvent``.
@frozen
public struct CountedWork: WorkCounter {
  // Sized by WorkEvent.allCases; the layout test pins the two together.
  @usableFromInline var words: InlineArray<23, UInt64>

  /// All zero.
  @inlinable
  public init() { words = InlineArray(repeating: 0) }

  /// Adds to one word.
  @inlinable @inline(__always)
  public mutating func add(_ event: WorkEvent, _ amount: UInt64) { words[event.index] &+= amount }

  /// What was counted so far.
  public var counts: WorkCounts {
    var counts = WorkCounts()
    for event in WorkEvent.allCases { counts[event] = words[event.index] }
    return counts
  }

  /// True.
  @inlinable
  public static var isCounting: Bool { true }
}

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

/// How often each ``WorkEvent`` happened.
public struct WorkCounts: Equatable, Sendable {
  private var values: [UInt64]

  /// All zero.
  public init() { values = [UInt64](repeating: 0, count: WorkEvent.allCases.count) }

  /// The count of one event.
  public subscript(event: WorkEvent) -> UInt64 {
    get { values[event.index] }
    set { values[event.index] = newValue }
  }

  /// Adds the counts of another thread or another end.
  public static func + (a: WorkCounts, b: WorkCounts) -> WorkCounts {
    var sum = a
    for event in WorkEvent.allCases { sum[event] &+= b[event] }
    return sum
  }

  /// What happened since an earlier reading.
  public static func - (a: WorkCounts, b: WorkCounts) -> WorkCounts {
    var difference = a
    for event in WorkEvent.allCases { difference[event] &-= b[event] }
    return difference
  }
}

extension WorkEvent {
  /// Its position in ``WorkEvent/allCases``.
  @inlinable
  var index: Int {
    switch self {
    case .maps: 0
    case .unmaps: 1
    case .iovaFromMagazine: 2
    case .iovaFromDepot: 3
    case .iovaFromTree: 4
    case .pageTableWrites: 5
    case .invalidations: 6
    case .invalidationWaits: 7
    case .deferredUnmaps: 8
    case .iotlbHits: 9
    case .iotlbMisses: 10
    case .staleHits: 11
    case .bytesCopiedIn: 12
    case .bytesCopiedOut: 13
    case .slotsSearched: 14
    case .areasSkipped: 15
    case .exits: 16
    case .missMessages: 17
    case .systemCalls: 18
    case .mergedMaps: 19
    case .bounced: 20
    case .notifications: 21
    case .notificationsSuppressed: 22
    }
  }
}
