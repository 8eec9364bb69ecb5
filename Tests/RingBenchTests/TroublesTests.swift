#if Bench
import Testing

@testable import RingBench

/// What a device's log says of queues that stop again and again.
@Suite struct TroublesTests {
  @Test func aGuestThatBreaksItsRingAgainAndAgainGetsSixteenLines() {
    var lines: [String] = []
    let troubles = Troubles { lines.append($0) }
    for number in 0..<1000 { troubles.add("queue \(number) stopped") }
    troubles.close()
    #expect(lines.count == 17 && lines[15] == "ringbench: queue 15 stopped\n")
    #expect(lines[16] == "ringbench: queues stopped 984 times more\n")
    // The next connection has as many.
    troubles.add("queue 0 stopped")
    troubles.close()
    #expect(lines.count == 18 && lines[17] == "ringbench: queue 0 stopped\n")
  }
}
#endif
