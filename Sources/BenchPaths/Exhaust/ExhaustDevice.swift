import BenchHarness
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// The device of an exhausted queue: serves in order, writes or checks every byte.
package struct ExhaustDevice {
  private let plan: LoadPlan
  private var number: UInt64 = 0

  package init(_ plan: LoadPlan) { self.plan = plan }

  /// Serves up to a batch; returns how many there were.
  package mutating func turn<Queue: DeviceQueue & ~Copyable>(_ queue: inout Queue) throws(SliceFailure) -> Int {
    let plan = plan
    var at = number
    defer { number = at }
    do {
      let served = try queue.serve(atMost: plan.batch) { chain, segments throws(WrongPayload) in
        try DeviceLoop.transferSegments(plan, at, segments)
        at += 1
        return UInt32(truncatingIfNeeded: chain.writableByteCount)
      }
      queue.service()
      return served
    } catch {
      switch error {
      case .queue(let error): throw .queue(error)
      case .body(let wrong): throw wrong.failure
      }
    }
  }
}
