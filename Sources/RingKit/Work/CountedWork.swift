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
