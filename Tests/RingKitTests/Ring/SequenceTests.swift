import Testing

@testable import RingKit

@Suite("A driver's slots come in sequence while buffers come back in order")
struct SequenceTests {
  private let memory: GuestMemory
  private let ring: GuestBuffer
  private let payload: GuestBuffer

  init() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 20), byteCount: 1 << 16)
    memory = try GuestMemory([region])
    var allocator = RegionAllocator(region)
    ring = try allocator.allocate(8192, alignment: 4096)
    payload = try allocator.allocate(8192, alignment: 4096)
  }

  private func segment(_ i: Int) -> MemorySegment {
    MemorySegment(GuestPhysicalAddress(payload.address.rawValue + UInt64(64 * i)), length: 64)
  }

  @Test("a chain interrupts it until the chain is back, and not for good")
  func chains() throws {
    let configuration = QueueConfiguration(size: 8, features: .version1)
    let layout = try SplitRing(in: ring, size: 8)
    var driver = try SplitDriverQueue(
      configuration, ring: layout, mapper: DirectMapper(memory: memory, counter: UncountedWork()))
    var device = try SplitDeviceQueue(
      configuration, ring: layout, translator: RegionTranslator(memory: memory, counter: UncountedWork()))
    let parts = [segment(0), segment(1)]
    for round in 0..<100 {
      let got1 = try driver.add(readable: parts.span, writable: [MemorySegment]().span, token: 1)
      #expect(got1 == .added)
      let state8 = driver.inFlightTable.isPlainSequence
      #expect(!state8)
      driver.publish()
      _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
      let got2 = try driver.reclaim(atMost: 8)
      #expect(got2 == 1)
      let state9 = driver.inFlightTable.isPlainSequence
      #expect(state9, "round \(round)")
    }
  }

  @Test("a buffer out of turn ends it; an empty ring resumes it once a lap has passed")
  func outOfTurn() throws {
    let configuration = QueueConfiguration(size: 4, features: .version1)
    let layout = try SplitRing(in: ring, size: 4)
    var driver = try SplitDriverQueue(
      configuration, ring: layout, mapper: DirectMapper(memory: memory, counter: UncountedWork()))
    var device = try SplitDeviceQueue(
      configuration, ring: layout, translator: RegionTranslator(memory: memory, counter: UncountedWork()))
    let got3 = try driver.add(atMost: 2, .deviceReadable) { (segment($0), UInt64($0)) }
    #expect(got3 == 2)
    driver.publish()
    let first = try device.next()
    let second = try device.next()
    device.complete(try #require(second), written: 0)
    device.complete(try #require(first), written: 0)
    device.publish()
    let got4 = try driver.reclaim(atMost: 4)
    #expect(got4 == 2)
    let state10 = driver.inFlightTable.isSequential
    #expect(!state10)
    for token in 0..<4 as Range<UInt64> {
      let got5 = try driver.add(atMost: 1, .deviceReadable) { _ in (segment(0), token) }
      #expect(got5 == 1)
      driver.publish()
      _ = try device.serve(atMost: 4) { _, _ throws(Never) in 0 }
      let got6 = try driver.reclaim(atMost: 4)
      #expect(got6 == 1)
    }
    let got7 = try driver.add(atMost: 2, .deviceReadable) { (segment($0), UInt64($0)) }
    #expect(got7 == 2)
    let state11 = driver.inFlightTable.isSequential
    #expect(state11)
  }
}
