/// The counter that does not count: what a timed run uses.
@frozen
public struct NoWork: WorkCounter {
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
