import Synchronization

/// What both threads of a run share: who takes part, how they are led, and how far they are.
final class SliceSchedule: Sendable {
  /// Run once each, before anything is timed, to count work exactly.
  let counted: [Contender]
  /// Take turns, slice by slice, in this order.
  let timed: [Contender]
  let gate = SliceGate()
  let probe: RoundTripProbe
  let rounds: Int
  let sliceNanoseconds: Double
  let driverCPU: Int
  let deviceCPU: Int
  /// Slices finished, for the progress line.
  let finished = Atomic<Int>(0)
  /// The device thread's involuntary switches so far; written while it is in a step.
  let deviceSwitches = Atomic<UInt64>(0)

  init(counted: [Contender], timed: [Contender], parameters: CostParameters) throws(BenchError) {
    self.counted = counted
    self.timed = timed
    rounds = parameters.slices
    sliceNanoseconds = parameters.sliceMilliseconds * 1e6
    driverCPU = parameters.driverCPU
    deviceCPU = parameters.deviceCPU
    probe = try RoundTripProbe()
  }

  /// Contenders by the number the gate carries: counted ones first.
  func contender(_ number: Int) -> Contender {
    number < counted.count ? counted[number] : timed[number - counted.count]
  }
}
