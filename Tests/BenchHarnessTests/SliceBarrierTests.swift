import RingKit
import Testing

@testable import BenchHarness

@Suite struct SliceBarrierTests {
  @Test("a step that no thread takes ends")
  func aStepWithoutTheOtherThreadEnds() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096)
    let barrier = SliceBarrier(in: region, patience: 1_000_000)
    barrier.open(.probe)
    #expect(throws: SliceFailure.self) { try barrier.waitUntilIdle() }
    #expect(barrier.isAbandoned && barrier.hasFailed)
  }

  /// Where queues have threads of their own, the calibrator's rings, which are single, are the first pair's alone.
  @Test func threadsOfOtherQueuesStayOutOfASingleQueue() throws {
    let single = BenchCase(
      "single", DriverEnd { _, _ throws(SliceFailure) in throw .silent },
      DeviceEnd { _ throws(SliceFailure) in throw .silent })
    let barrier = try SlicePeer().barrier
    #expect(throws: SliceFailure.self) { try WorkerRole.device(queue: 0).run(single, barrier) }
    #expect(throws: Never.self) { try WorkerRole.device(queue: 1).run(single, barrier) }
    #expect(throws: Never.self) { try WorkerRole.driver(queue: 1).run(single, barrier) }
  }
}
