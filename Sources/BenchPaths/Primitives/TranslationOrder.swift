import BenchHarness
import RingIOMMU
import RingKit
import Synchronization

/// How many translations the driver's thread wants of the device's, and the time they took.
package final class TranslationOrder: Sendable {
  private let wanted = Atomic<Int>(0)
  private let time = Atomic<UInt64>(0)

  /// Driver: asks for `count` and waits; `nil` when the device failed.
  package func wait(for count: Int, _ gate: SliceGate) -> UInt64? {
    // Pairs with the acquiring load in `take`.
    wanted.store(count, ordering: .releasing)
    while wanted.load(ordering: .acquiring) != 0 {
      if gate.hasFailed { return nil }
    }
    return time.load(ordering: .relaxed)
  }

  /// Device: what is wanted now.
  package func take() -> Int? {
    let count = wanted.load(ordering: .acquiring)
    return count == 0 ? nil : count
  }

  /// Device: done, in that many nanoseconds.
  package func finish(_ nanoseconds: UInt64) {
    time.store(nanoseconds, ordering: .relaxed)
    // Pairs with the acquiring load in `wait`.
    wanted.store(0, ordering: .releasing)
  }
}
