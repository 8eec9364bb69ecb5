import RingKit
import RingKitTesting
import Testing

@Suite("A path that fails when a plan says so")
struct FaultInjectingMapperTests {
  private let memory: GuestMemory
  private let buffer: GuestBuffer
  private let pool: SwiotlbPool
  private let plan = FaultPlan()

  init() throws {
    memory = try GuestMemory(byteCount: 1 << 20)
    pool = try SwiotlbPool(memory.allocate(262_144, alignment: 4096))
    buffer = try memory.allocate(4096)
  }

  private func mapper() -> FaultInjectingMapper<SwiotlbMapper<CountedWork>> {
    FaultInjectingMapper(SwiotlbMapper(memory: memory, pool: pool, counter: CountedWork()), plan: plan)
  }

  @Test("the map that was named fails with the error that was chosen, and reaches nothing below")
  func map() throws {
    var mapper = mapper()
    plan.failingMap = 2
    plan.mapError = .iovaExhausted(pages: 7)
    let first = try mapper.map(buffer.segment(length: 64), .deviceReadable)
    let error = #expect(throws: DMAError.self) { _ = try mapper.map(buffer.segment(length: 64), .deviceReadable) }
    #expect(error == .iovaExhausted(pages: 7))
    #expect(plan.maps == 2 && plan.outstandingCount == 1 && pool.usedSlots == 1)
    let third = try mapper.map(buffer.segment(length: 64), .deviceReadable)
    try mapper.unmap(first.mapping, .deviceReadable)
    try mapper.unmap(third.mapping, .deviceReadable)
    #expect(pool.usedSlots == 0 && mapper.work.counts[.maps] == 2)
  }

  @Test("an unmap that fails has happened below: nothing leaks; without a chosen error it names the call")
  func unmap() throws {
    var mapper = mapper()
    plan.failingUnmap = 1
    let (_, mapping) = try mapper.map(buffer.segment(length: 64), .deviceWritable)
    let error = #expect(throws: DMAError.self) { try mapper.unmap(mapping, .deviceWritable) }
    #expect(error == .custom(CustomDMAError("an unmap was made to fail, call", 1)))
    #expect(pool.usedSlots == 0 && plan.outstandingCount == 0)
    let again = #expect(throws: DMAError.self) { try mapper.unmap(mapping, .deviceReadable) }
    #expect(again == .custom(CustomDMAError("a mapping was undone twice, number", 1)))
    #expect(plan.doubleUnmaps == 1 && plan.wrongDirections == 1)
  }

  private func failures(seed: UInt64) throws -> [Int] {
    var mapper = mapper()
    plan.failMaps(oneIn: 4, seed: seed)
    var failed: [Int] = []
    for call in 0..<200 {
      do throws(DMAError) {
        let (_, mapping) = try mapper.map(buffer.segment(length: 64), .deviceReadable)
        try mapper.unmap(mapping, .deviceReadable)
      } catch { failed.append(call) }
    }
    plan.failNothing()
    return failed
  }

  @Test("by chance: about one in so many, the same calls for the same seed, others for another")
  func seeded() throws {
    let first = try failures(seed: 1)
    #expect((25...75).contains(first.count))
    #expect(try failures(seed: 1) == first)
    #expect(try failures(seed: 2) != first)
    #expect(pool.usedSlots == 0)
  }

  @Test("with nothing to fail it is the path below")
  func transparent() throws {
    let findings = try PathChecks { memory in
      FaultInjectingMapper(try SwiotlbMapper(memory), plan: FaultPlan())
    }.run()
    #expect(findings == [])
  }
}
