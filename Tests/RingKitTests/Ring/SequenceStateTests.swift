import Testing

@testable import RingKit

@Suite("The state of a driver whose slots are counted instead of looked up")
struct SequenceStateTests {
  private let memory: GuestMemory
  private let ring: GuestBuffer
  private let tables: GuestBuffer
  private let payload: GuestBuffer

  init() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 20), byteCount: 1 << 16)
    memory = try GuestMemory([region])
    var allocator = RegionAllocator(region)
    ring = try allocator.allocate(8192, alignment: 4096)
    tables = try allocator.allocate(4096, alignment: 4096)
    payload = try allocator.allocate(8192, alignment: 4096)
  }

  private func segment(_ token: UInt64) -> MemorySegment {
    payload.segment(at: 64 * Int(token % 128), length: 64)
  }

  private func describe(_ token: UInt64) -> DescribedBuffer {
    token < 1000
      ? (readable: [segment(token)], writable: [])
      : (readable: [segment(token)], writable: [segment(token + 1)])
  }

  private func configuration(_ features: VirtioFeatures = []) -> QueueConfiguration {
    QueueConfiguration(size: 8, features: features.union(.version1), indirectCapacity: 2)
  }

  private typealias Driver = SplitDriverQueue<DirectMapper<UncountedWork>>
  private typealias Device = SplitDeviceQueue<RegionTranslator<UncountedWork>>

  private func driver(_ features: VirtioFeatures = []) throws -> Driver {
    try Driver(
      configuration(features), ring: SplitRing(in: ring, size: 8),
      indirectTables: features.contains(.indirectDescriptors) ? tables : nil,
      mapper: DirectMapper(memory: memory, counter: UncountedWork()))
  }

  private func device(_ features: VirtioFeatures = []) throws -> Device {
    try Device(
      configuration(features), ring: SplitRing(in: ring, size: 8),
      translator: RegionTranslator(memory: memory, counter: UncountedWork()))
  }

  private func restored(_ state: QueueState) throws -> Driver {
    try Driver.restored(
      from: state, ring: SplitRing(in: ring, size: 8),
      indirectTables: state.features.contains(.indirectDescriptors) ? tables : nil,
      mapper: DirectMapper(memory: memory, counter: UncountedWork()))
  }

  private func add(_ tokens: Range<UInt64>, _ driver: inout Driver) throws {
    let added = try driver.add(atMost: tokens.count, .deviceReadable) { i in
      (segment(tokens.lowerBound + UInt64(i)), tokens.lowerBound + UInt64(i))
    }
    try #require(added == tokens.count)
    driver.publish()
  }

  private func reclaim(_ limit: Int, _ driver: inout Driver) throws -> [UInt64] {
    _ = try driver.reclaim(atMost: limit)
    return driver.completions.indices.map { driver.completions[$0].token }
  }

  @Test("buffers that came back without a mark are not in it, at each of the ring's positions")
  func unmarked() throws {
    for turn in 0..<9 as Range<UInt64> {
      var driver = try driver()
      var device = try device()
      for token in 0..<turn {
        try add(token..<token + 1, &driver)
        _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
        _ = try reclaim(1, &driver)
      }
      try add(100..<106, &driver)
      _ = try device.serve(atMost: 4) { _, _ throws(Never) in 0 }
      #expect(try reclaim(3, &driver) == [100, 101, 102])
      let counted = (driver.inFlightTable.isPlainSequence, driver.inFlightTable.unmarked)
      try #require(counted.0 && counted.1 > 0, "the queue counts, so marks are owed")
      let state = try driver.saveState(describing: describe)
      #expect(state.inFlight.map(\.token) == [103, 104, 105])
      #expect(Set(state.free + state.inFlight.flatMap(\.slots)) == Set(0..<8))
      // Both go on counting, and the copy like the source.
      var copy = try restored(state)
      let after = (driver.inFlightTable.isPlainSequence, copy.inFlightTable.isPlainSequence)
      #expect(after == (true, true), "turn \(turn)")
      #expect(try reclaim(8, &copy) == [103])
      _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
      #expect(try reclaim(8, &copy) == [104, 105])
      try add(200..<208, &copy)
      _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
      #expect(try reclaim(8, &copy) == Array(200..<208))
    }
  }

  @Test("a sequence that ended stays ended, and is resumed by the copy once the ring was empty for a lap")
  func ended() throws {
    var driver = try driver()
    var device = try device()
    try add(0..<3, &driver)
    let chains = try (0..<3).map { _ in try #require(try device.next()) }
    device.complete(chains[1], written: 0)
    device.publish()
    #expect(try reclaim(8, &driver) == [1])
    var copy = try restored(try driver.saveState(describing: describe))
    let still = copy.inFlightTable.isSequential
    #expect(!still)
    for index in [2, 0] { device.complete(chains[index], written: 0) }
    device.publish()
    #expect(try reclaim(8, &copy) == [2, 0])
    for token in 10..<20 as Range<UInt64> {
      try add(token..<token + 1, &copy)
      _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
      #expect(try reclaim(8, &copy) == [token])
    }
    try add(30..<31, &copy)
    let again = copy.inFlightTable.isSequential
    #expect(again)
  }

  @Test(
    "a chain or a table in flight is counted by the copy, and counted out when it is back", arguments: [false, true])
  func compound(indirect: Bool) throws {
    let features: VirtioFeatures = indirect ? .indirectDescriptors : []
    var driver = try driver(features)
    var device = try device(features)
    try add(0..<1, &driver)
    let parts = describe(1000)
    let added = try driver.add(readable: parts.readable.span, writable: parts.writable.span, token: 1000)
    try #require(added == .added)
    try add(1..<2, &driver)
    let state = try driver.saveState(describing: describe)
    #expect(state.inFlight.map(\.token) == [0, 1000, 1] && (state.inFlight[1].table != nil) == indirect)
    var copy = try restored(state)
    let before = (copy.inFlightTable.isPlainSequence, copy.inFlightTable.compoundInFlight)
    #expect(before == (false, 1))
    _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 }
    #expect(try reclaim(8, &copy) == [0, 1000, 1])
    let after = (copy.inFlightTable.isPlainSequence, copy.inFlightTable.compoundInFlight)
    #expect(after == (true, 0))
  }
}
