import RingTestSupport
import Testing

@testable import RingKit

@Suite("A forged state never reaches memory")
struct ForgedStateTests {
  private static let size = 256

  private static func segment(_ i: Int) -> MemorySegment {
    MemorySegment(GuestPhysicalAddress(0x2_0000 + UInt64(i) * 64), length: 64)
  }

  /// A queue with a buffer of two segments in flight, and its state.
  private func state(
    _ layout: RingLayout, _ features: VirtioFeatures, capacity: Int, _ memory: GuestBuffer, tables: GuestBuffer?
  ) throws -> QueueState {
    let configuration = QueueConfiguration(
      size: Self.size, features: features.union(layout == .packed ? [.version1, .packedRing] : .version1),
      indirectCapacity: capacity)
    let segments = [Self.segment(0), Self.segment(1)]
    let parts = (readable: [], writable: segments) as DescribedBuffer
    switch layout {
    case .split:
      var queue = try SplitDriverQueue(
        configuration, ring: SplitRing(in: memory, size: Self.size), indirectTables: tables,
        mapper: IdentityMapper(memory: GuestMemory([memory.region]), counter: UncountedWork()))
      let result = try queue.add(readable: parts.readable.span, writable: segments.span, token: 1)
      #expect(result == .added)
      return try queue.saveState { _ in parts }
    case .packed:
      var queue = try PackedDriverQueue(
        configuration, ring: PackedRing(in: memory, size: Self.size), indirectTables: tables,
        mapper: IdentityMapper(memory: GuestMemory([memory.region]), counter: UncountedWork()))
      let result = try queue.add(readable: parts.readable.span, writable: segments.span, token: 1)
      #expect(result == .added)
      return try queue.saveState { _ in parts }
    }
  }

  private func refusal(
    _ state: QueueState, _ layout: RingLayout, size: Int = Self.size, _ memory: GuestBuffer, tables: GuestBuffer? = nil
  ) -> QueueStateError? {
    do {
      switch layout {
      case .split:
        _ = try SplitDriverQueue.restored(
          from: state, ring: SplitRing(in: memory, size: size), indirectTables: tables,
          mapper: IdentityMapper(memory: GuestMemory([memory.region]), counter: UncountedWork()))
      case .packed:
        _ = try PackedDriverQueue.restored(
          from: state, ring: PackedRing(in: memory, size: size), indirectTables: tables,
          mapper: IdentityMapper(memory: GuestMemory([memory.region]), counter: UncountedWork()))
      }
      return nil
    } catch { return error as? QueueStateError }
  }

  @Test("tables that the queue does not have are refused, whatever their size", arguments: RingLayout.allCases)
  func tablesWithoutTables(layout: RingLayout) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 1 << 20)
    let memory = GuestBuffer(whole: region).slice(at: 0, byteCount: 1 << 16)
    var state = try state(layout, [], capacity: 0, memory, tables: nil)
    #expect(refusal(state, layout, memory) == nil)
    // As a forger would: every field agrees with the others.
    state.features.insert(.indirectDescriptors)
    state.free.append(state.inFlight[0].slots[1])
    state.inFlight[0].slots.removeLast()
    state.inFlight[0].table = 0
    for capacity in [2, 16, Self.size] {
      state.indirectCapacity = capacity
      state.inFlight[0].segments = (0..<capacity).map {
        QueueState.Segment(
          address: 0x4141_0000 + UInt64($0), deviceAddress: 0x4141_0000 + UInt64($0), length: 64, isWritable: true)
      }
      if layout == .packed { state.available?.offset = 1 }
      #expect(throws: Never.self) { try state.validate() }
      #expect(
        refusal(state, layout, memory) == .mismatch(.indirectCapacity, found: "\(capacity)", expected: "0"))
    }
  }

  @Test("a queue of another size, layout, or table memory than the saver's is refused", arguments: RingLayout.allCases)
  func configurationsDiffer(layout: RingLayout) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 1 << 20)
    let all = GuestBuffer(whole: region)
    let (memory, tables) = (all.slice(at: 0, byteCount: 1 << 16), all.slice(at: 1 << 16, byteCount: Self.size * 4 * 16))
    let state = try state(layout, .indirectDescriptors, capacity: 4, memory, tables: tables)
    #expect(state.inFlight[0].table != nil && state.indirectCapacity == 4)
    #expect(refusal(state, layout, memory, tables: tables) == nil)
    #expect(refusal(state, layout, size: 128, memory, tables: tables)?.field == .size)
    #expect(refusal(state, layout == .split ? .packed : .split, memory, tables: tables)?.field == .layout)
    // One byte too little for the entries that the saver had.
    let short = all.slice(at: 1 << 16, byteCount: tables.byteCount - 1)
    #expect(refusal(state, layout, memory, tables: short)?.field == .tables)
    #expect(refusal(state, layout, memory)?.field == .tables)
    var larger = state
    larger.indirectCapacity = 5
    #expect(refusal(larger, layout, memory, tables: tables)?.field == .tables)
    var other = state
    other.features.remove(.indirectDescriptors)
    #expect(refusal(other, layout, memory, tables: tables)?.field == .indirectCapacity)
  }

  @Test(
    "what a driver scribbled where the device's wish stands is not taken over, and the device can move again",
    arguments: RingLayout.allCases, [VirtioFeatures(), .eventIndex])
  func scribbledWish(layout: RingLayout, features: VirtioFeatures) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 1 << 16)
    let memory = try GuestMemory([region])
    let configuration = QueueConfiguration(
      size: 16, features: features.union(layout == .packed ? [.version1, .packedRing] : .version1))
    for word in [0x1234, 0x8000_0001, 0xffff_ffff, 0x0002_7fff, 0x0003_0000] as [UInt32] {
      switch layout {
      case .split:
        let ring = try SplitRing(in: GuestBuffer(whole: region), size: 16)
        ring.clear()
        ring.used.store16(UInt16(truncatingIfNeeded: word), 0)
        var queue = try SplitDeviceQueue(
          configuration, ring: ring, translator: RegionTranslator(memory: memory, counter: UncountedWork()))
        let hasResumed = queue.resume(at: 0)
        #expect(hasResumed)
        let state = try queue.saveState()
        #expect(throws: Never.self) { try state.validate() }
        #expect(UInt32(ring.used.load16(0)) == state.suppression)
        #expect(state.suppression == (features.contains(.eventIndex) ? 0 : word & 1))
      case .packed:
        let ring = try PackedRing(in: GuestBuffer(whole: region), size: 16)
        ring.clear()
        ring.deviceEvent.store32(word, 0)
        var queue = try PackedDeviceQueue(
          configuration, ring: ring, translator: RegionTranslator(memory: memory, counter: UncountedWork()))
        let hasResumed = queue.resume(at: 0x8000)
        #expect(hasResumed)
        let state = try queue.saveState()
        #expect(throws: Never.self) { try state.validate() }
        #expect(state.suppression == 0 && ring.deviceEvent.load32(0) == 0)
      }
    }
  }
}
