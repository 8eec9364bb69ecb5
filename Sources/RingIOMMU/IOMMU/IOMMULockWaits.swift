/// How often the locks of a domain were held by another thread when they were asked for.
///
/// Counts, not times: where queues share a domain they tell which lock is the one to look at.
public struct IOMMULockWaits: Equatable, Sendable {
  /// The caches of all CPUs, in all size classes.
  public var magazines: UInt64
  /// The depots of all size classes.
  public var depots: UInt64
  /// The tree behind them.
  public var tree: UInt64
  /// The invalidation queue.
  public var invalidationQueue: UInt64
}
