import BenchHarness
import RingIOMMU
import RingKit

/// What became of the maps of one exhausted queue.
package struct ExhaustTally: Equatable, Sendable {
  /// Maps tried, those that failed included.
  package var attempts = 0
  /// Maps that failed for want of slots.
  package var failures = 0
  /// Attempts for a buffer that had failed before.
  package var retries = 0
  /// Buffers whose first attempt failed.
  package var delayedBuffers = 0
  /// The most attempts one buffer took.
  package var mostAttempts = 0
  /// The most buffers that were outstanding: what is left of the depth.
  package var mostOutstanding = 0
  /// Buffers that came back, in order and with every byte right.
  package var delivered = 0

  package init() {}
}
