import CRing
import Testing

/// The cycle counter and the monotonic clock.
///
/// No test asserts how long anything took.
@Suite struct ClockTests {
  @Test func countersNeverGoBack() {
    var cycles = cring_cycles()
    var time = cring_nanoseconds()
    for _ in 0..<10_000 {
      let nextCycles = cring_cycles()
      let nextTime = cring_nanoseconds()
      #expect(nextCycles >= cycles)
      #expect(nextTime >= time)
      (cycles, time) = (nextCycles, nextTime)
    }
  }

  @Test func rateIsThatOfSomeMachine() {
    let rate = cring_cycles_per_second()
    // arm64 counters start at 1 MHz; nothing ticks faster than 10 GHz.
    #expect(rate >= 1_000_000 && rate <= 10_000_000_000)
    #expect(cring_cycles_per_second() == rate, "measured once")
  }
}
