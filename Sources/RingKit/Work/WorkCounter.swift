/// Something that is told what work was done.
///
/// A type parameter of every mapper and translator, so that a run without counters contains no trace of them
/// (``NoWork``) and a run with them counts exactly (``CountedWork``). Owned by the thread that owns the queue end.
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
