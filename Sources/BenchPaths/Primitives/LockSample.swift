import BenchHarness
import RingIOMMU
import RingKit

/// One short run of real threads at a lock.
package struct LockSample: Equatable, Sendable {
  /// Of all threads together.
  package let operationsPerSecond: Double
  /// Nanoseconds of a cache line from CPU to CPU around the run; 0 for one thread.
  package let transfer: Double
}
