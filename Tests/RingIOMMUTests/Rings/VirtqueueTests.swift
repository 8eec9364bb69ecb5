import RingIOMMU
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("Both ends of a queue, from one path")
struct VirtqueueTests {
  @Test("paths without an IOMMU keep what a queue relies on")
  func plainPaths() throws {
    #expect(try PathChecks { DirectMapper($0) }.run() == [])
    #expect(try PathChecks { IdentityMapper($0) }.run() == [])
    #expect(try PathChecks { try SwiotlbMapper($0) }.run() == [])
    #expect(try PathChecks { try ShadowMapper($0, slotByteCount: 8192) }.run() == [])
    let poisoning = try PathChecks { memory in
      let arena = PoisoningArena(try memory.allocate(32 * 8192))
      return PoisoningMapper(memory: memory, arena: arena, counter: UncountedWork())
    }.run()
    #expect(poisoning == [])
  }

  @Test("paths behind an IOMMU keep it too, with both ends on one thread and no settings")
  func pathsBehindAnIOMMU() throws {
    #expect(try PathChecks { IOMMUMapper($0) }.run() == [])
    #expect(try PathChecks { IOMMUMapper($0, policy: .lazy) }.run() == [])
    #expect(try PathChecks { try PremappedMapper($0) }.run() == [])
    let viommu = try PathChecks { memory in
      ViommuMapper(domain: IOMMUDomain(memory: memory), exit: InjectedExit(nanoseconds: 1), counter: UncountedWork())
    }.run()
    #expect(viommu == [])
  }

  @Test("a path that loses bytes is told of, by the check that names it")
  func lossyPath() throws {
    let findings = try PathChecks { memory in LossyPath(try SwiotlbMapper(memory)) }.run()
    #expect(Set(findings.map(\.check)) == [.writtenBytesComeBack, .chainsArrive, .neighboursStay, .nothingLeaks])
    let leaking = try PathChecks { memory in LossyPath(try SwiotlbMapper(memory), leaks: true) }.run()
    #expect(Set(leaking.map(\.check)).isSuperset(of: [.nothingLeaks]))
  }

  @Test("a device on a thread of its own serves the invalidations its driver waits for", arguments: [100, 2000])
  func twoThreads(count: Int) throws {
    let memory = try GuestMemory(byteCount: 4 << 20)
    var queue = try Virtqueue(packed: 16, in: memory, over: IOMMUMapper(memory))
    let payload = try memory.allocate(16 * 64)
    var (added, returned) = (0, 0)
    try queue.runOnTwoThreads(
      device: { device in _ = try device.serve(atMost: 4) { _, segments throws(Never) in segments.copyIn([7]) } },
      driver: { driver in
        while added < count, added - returned < 16 {
          let segment = payload.segment(at: added % 16 * 64, length: 64)
          guard try driver.add(segment, .deviceWritable, token: UInt64(added)) == .added else { break }
          added += 1
        }
        driver.publish()
        while let done = try driver.nextUsed() {
          #expect(done.writtenByteCount == 1)
          returned += 1
        }
        return returned < count
      })
    #expect(payload[0] == 7)
    // Back on one thread.
    let segment = payload.segment(length: 64)
    let again = try queue.driver.add(segment, .deviceReadable, token: 1)
    queue.driver.publish()
    let served = try queue.device.serve(atMost: 1) { _, _ throws(Never) in 0 }
    let done = try queue.driver.nextUsed()
    #expect(again == .added && served == 1 && done?.token == 1)
  }

  @Test("an end that throws stops the other one")
  func endsThatThrow() throws {
    struct Stop: Error {}
    let memory = try GuestMemory(byteCount: 2 << 20)
    var queue = try Virtqueue(split: 8, in: memory, over: IOMMUMapper(memory))
    #expect(throws: Stop.self) {
      try queue.runOnTwoThreads(device: { _ in throw Stop() }, driver: { _ in true })
    }
    #expect(throws: Stop.self) {
      try queue.runOnTwoThreads(device: { _ in }, driver: { _ in throw Stop() })
    }
  }

  @Test("a path's own error reaches the queue's caller as it was thrown")
  func ownErrors() {
    func own(_ value: UInt64) -> DMAError { .custom(CustomDMAError("an overrun of slot", value)) }
    #expect(own(1) == own(1) && own(1) != own(2))
    #expect(QueueError.mapping(own(3)).description.contains("an overrun of slot 3"))
  }
}

/// Forgets the last byte that the device wrote, or the unmap.
private struct LossyPath: PairedPath, ~Copyable {
  var base: SwiotlbMapper<UncountedWork>
  let leaks: Bool

  init(_ base: consuming SwiotlbMapper<UncountedWork>, leaks: Bool = false) {
    self.base = base
    self.leaks = leaks
  }

  var work: UncountedWork {
    get { base.work }
    set { base.work = newValue }
  }

  static var unmapped: SwiotlbMapping { SwiotlbMapper<UncountedWork>.unmapped }

  func makeTranslator() -> RegionTranslator<UncountedWork> { base.makeTranslator() }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: SwiotlbMapping) { try base.map(segment, direction) }

  mutating func unmap(
    _ mapping: SwiotlbMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    if leaks { return 0 }
    return try base.unmap(mapping, .deviceReadable, written: written)
  }

  mutating func poll() throws(DMAError) { try base.poll() }
  mutating func flush() throws(DMAError) { try base.flush() }
}
