import RingKit
import Testing

@testable import BenchHarness

@Suite struct SliceGateTests {
  @Test("a step that nobody takes ends")
  func nobody() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096)
    let gate = SliceGate(in: region, patience: 1_000_000)
    gate.open(.probe)
    #expect(throws: SliceFailure.self) { try gate.waitUntilIdle() }
    #expect(gate.isAbandoned && gate.hasFailed)
  }

  /// Where queues have threads of their own, the calibrator's rings, which are single, are the first pair's alone.
  @Test func threadsOfOtherQueuesStayOutOfASingleQueue() throws {
    let single = Contender(
      "single", DriverEnd { _, _ throws(SliceFailure) in throw .silent },
      DeviceEnd { _ throws(SliceFailure) in throw .silent })
    let gate = try SlicePeer().gate
    #expect(throws: SliceFailure.self) { try FollowerRole.device(lane: 0).run(single, gate) }
    #expect(throws: Never.self) { try FollowerRole.device(lane: 1).run(single, gate) }
    #expect(throws: Never.self) { try FollowerRole.driver(lane: 1).run(single, gate) }
  }
}
