import RingKit
import RingTestSupport
import Testing

@Suite("Several queues over one bounce pool")
struct SeveralQueuesTests {
  @Test("a pool behind several queues, with one area and with one each", arguments: RingLayout.allCases, [1, 4])
  func sharedPool(layout: RingLayout, areas: Int) throws {
    for queues in [2, 4] {
      let guest = try SeveralQueues.Guest(queues: queues, areas: areas)
      let queuesEnds = try (0..<queues).map { queue in
        try SeveralQueues.ends(
          layout, guest.parts[queue],
          SwiotlbMapper(memory: guest.memory, pool: guest.pool, cpu: queue, counter: CountedWork()),
          RegionTranslator(memory: guest.memory, counter: CountedWork()))
      }
      let work = SeveralQueues.exchange(queuesEnds, guest)
      #expect(work[.maps] == UInt64(queues * SeveralQueues.buffers))
      #expect(work[.bytesCopiedOut] == UInt64(queues * SeveralQueues.buffers / 2 * SeveralQueues.bytes))
      #expect(guest.pool.usedSlots == 0)
    }
  }
}
