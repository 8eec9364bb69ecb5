import BenchHarness
import RingIOMMU
import RingKit

/// What became of a frame.
package struct NetFrame: Sendable {
  package var number: UInt64 = 0
  /// In cycles.
  package var firstSent: UInt64 = 0
  package var lastSent: UInt64 = 0
  /// It has not come back.
  package var isWaiting = false
  /// The device has not taken it.
  package var isInQueue = false
}
