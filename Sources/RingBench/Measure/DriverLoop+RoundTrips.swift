import CRing
import RingKit

extension DriverLoop {
  /// One buffer after the other: from the moment it is published until it is back, in cycles.
  mutating func timeRoundTrips<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, count: Int, gate: SliceGate, _ record: (UInt64) -> Void
  ) throws(SliceFailure) {
    for _ in 0..<count {
      let start = cring_cycles()
      try exchange(&queue, count: 1, gate: gate)
      record(cring_cycles() &- start)
    }
  }
}
