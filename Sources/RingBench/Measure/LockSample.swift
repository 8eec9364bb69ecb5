/// One short run of real threads at a lock.
struct LockSample: Equatable, Sendable {
  /// Of all threads together.
  let operationsPerSecond: Double
  /// Nanoseconds of a cache line from CPU to CPU around the run; 0 for one thread.
  let transfer: Double
}
