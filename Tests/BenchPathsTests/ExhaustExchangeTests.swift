import RingIOMMU
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite struct ExhaustExchangeTests {
  /// A queue over a pool of one segment, so that the test can be the device; and what other mappers of the pool need.
  private struct Queue {
    let memory: GuestMemory
    let pool: SwiotlbPool
    let payload: GuestBuffer
    let ends: ExhaustEnds

    init() throws {
      let bounce = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: 256 << 10)
      let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 1 << 20)
      var bounces = RegionAllocator(bounce)
      var allocator = RegionAllocator(region)
      memory = try GuestMemory([region, bounce])
      pool = try SwiotlbPool(bounces.allocate(256 << 10, alignment: 4096))
      let ring = try allocator.allocate(SplitRing.byteCount(size: 8), alignment: 4096)
      payload = try allocator.allocate(512 << 10, alignment: 4096)
      ends = try ExhaustEnds(.split, in: ring, size: 8, memory: memory, pool: pool)
    }

    func plan(_ direction: DMADirection, bytes: Int) -> LoadPlan {
      LoadPlan(
        direction: direction, bytes: bytes, depth: 4, batch: 4, touch: .full, segments: 1,
        payload: PayloadPool(payload, bytes: bytes))
    }
  }

  @Test func aByteThatWasNotWrittenEndsTheRun() throws {
    let queue = try Queue()
    let (ends, plan) = (queue.ends, queue.plan(.deviceWritable, bytes: 100))
    var sender = ExhaustDriver(plan, total: 4)
    var receiver = ExhaustDevice(plan)
    _ = try ends.turnDriver(&sender)
    _ = try ends.turnDevice(&receiver)
    _ = try ends.turnDriver(&sender)
    #expect(sender.isDone)
    // To the device, which goes on counting, the next buffers are those from 4 on.
    var late = ExhaustDriver(plan, total: 4)
    _ = try ends.turnDriver(&late)
    _ = try ends.turnDevice(&receiver)
    var error: SliceFailure?
    do throws(SliceFailure) { _ = try ends.turnDriver(&late) } catch let failure { error = failure }
    guard case .wrongByte(sequence: 0, offset: _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aPoolThatOthersFilledIsAnErrorAndNoDeadlock() throws {
    let queue = try Queue()
    var other = SwiotlbMapper(memory: queue.memory, pool: queue.pool, cpu: 0, counter: UncountedWork())
    let (_, mapping) = try other.map(queue.payload.segment(at: 0, length: 256 << 10), .deviceReadable)
    let exchange = ExhaustExchange(
      plan: queue.plan(.deviceReadable, bytes: 4_096), buffers: 8, driverCPU: 0, deviceCPU: 1)
    let error = #expect(throws: SliceFailure.self) { _ = try exchange.interleaved(queue.ends, total: 8) }
    #expect(error?.text.contains("swiotlb buffer is full") == true)
    try other.unmap(mapping, .deviceReadable)
    #expect(try exchange.interleaved(queue.ends, total: 8).delivered == 8)
  }

  // From a page on a mapping starts on a page, so three slots take four; 128 slots are the most.
  @Test(arguments: [
    (256, 1_500, 128), (1_024, 4_096, 256), (1_024, 6_000, 128), (1_024, 262_144, 4), (256, 200_000, 1),
  ])
  func aPoolHoldsWholeBuffers(poolKiB: Int, bytes: Int, capacity: Int) throws {
    #expect(ExhaustFill.capacity(poolKiB: poolKiB, bytes: bytes) == capacity)
    let depth = min(capacity + 5, 256)
    let outcome = try ExhaustFill.fill(poolKiB: poolKiB, depth: depth, bytes: bytes)
    #expect(outcome.added == min(capacity, depth))
    #expect(outcome.failed == depth - min(capacity, depth))
    #expect(outcome.recovered == outcome.added)
  }

  @Test func beyond256KiBIsRefusedAsTooLarge() throws {
    let outcome = try ExhaustFill.fill(poolKiB: 1_024, depth: 1, bytes: 262_145)
    #expect(outcome.failed == 1)
    #expect(outcome.refusal == .tooLarge(byteCount: 262_145, maximum: 262_144))
  }
}
