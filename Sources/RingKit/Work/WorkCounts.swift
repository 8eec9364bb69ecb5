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
