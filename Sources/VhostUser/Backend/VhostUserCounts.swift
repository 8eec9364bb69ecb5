public import RingKit

/// What happened on a connection so far.
public struct VhostUserCounts: Equatable, Sendable {
  /// Messages that came.
  public var messages: UInt64 = 0
  /// IOTLB misses that were sent.
  public var misses: UInt64 = 0
  /// IOTLB updates that came.
  public var updates: UInt64 = 0
  /// IOTLB invalidations that came.
  public var invalidations: UInt64 = 0
  /// Times a vring was started.
  public var starts: UInt64 = 0
  /// Buffers that were completed.
  public var completed: UInt64 = 0
  /// What the queues did.
  public var work = WorkCounts()

  /// All zero.
  public init() {}
}
