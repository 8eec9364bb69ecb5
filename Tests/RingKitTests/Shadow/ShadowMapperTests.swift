import RingKit
import RingKitTesting
import Testing

@Suite("Shadow buffers")
struct ShadowMapperTests {
  // Around every length at which the copy changes its ways.
  static let sizes = [1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 1500, 2047, 2048]

  @Test("a device-readable segment is copied whole, and its neighbours are not", arguments: sizes)
  func copiesIn(byteCount: Int) throws {
    let fixture = try ShadowFixture()
    unsafe fixture.driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x5E)
    for i in 0..<byteCount { unsafe fixture.driver.bytes[777 + i] = UInt8(truncatingIfNeeded: i &* 7 &+ 1) & 0x3F }
    var mapper = try fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: 777, length: byteCount), .deviceReadable)
    #expect(unsafe fixture.seen(mapped.address, byteCount).elementsEqual(fixture.bytes(777..<777 + byteCount)))
    // 0x5E lies on both sides of the segment and must lie nowhere in what the device sees.
    #expect(unsafe !fixture.shadow.bytes.contains(0x5E), "a neighbour's byte is in shared memory")
    try mapper.unmap(mapped.mapping, .deviceReadable)
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedIn] == UInt64(byteCount) && counts[.bytesCopiedOut] == 0)
    #expect(counts[.maps] == 1 && counts[.unmaps] == 1)
  }

  @Test("only what the device says it wrote comes back, up to the mapped length", arguments: sizes)
  func copiesOut(byteCount: Int) throws {
    let fixture = try ShadowFixture()
    var mapper = try fixture.mapper()
    for written in Set([0, 1, byteCount / 2, byteCount - 1, byteCount, byteCount + 1, Int(UInt32.max)]) {
      unsafe fixture.driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
      let before = mapper.work.counts[.bytesCopiedOut]
      let mapped = try mapper.map(fixture.driver.segment(at: 777, length: byteCount), .deviceWritable)
      unsafe fixture.seen(mapped.address, byteCount).initializeMemory(as: UInt8.self, repeating: 0x77)
      let expected = min(written, byteCount)
      let count = try mapper.unmap(mapped.mapping, .deviceWritable, written: UInt32(written))
      #expect(count == expected)
      #expect(unsafe isFilled(fixture.bytes(777..<777 + expected), with: 0x77))
      #expect(unsafe isFilled(fixture.bytes(0..<777), with: 0x11))
      #expect(unsafe isFilled(fixture.bytes(777 + expected..<fixture.driver.byteCount), with: 0x11))
      let after = mapper.work.counts[.bytesCopiedOut]
      #expect(after - before == UInt64(expected))
    }
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedIn] == 0)
  }

  @Test("without a length all of it comes back")
  func withoutLength() throws {
    let fixture = try ShadowFixture()
    var mapper = try fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(length: 100), .deviceWritable)
    unsafe fixture.seen(mapped.address, 100).initializeMemory(as: UInt8.self, repeating: 0x77)
    try mapper.unmap(mapped.mapping, .deviceWritable)
    #expect(unsafe isFilled(fixture.bytes(0..<100), with: 0x77))
  }

  @Test("a device that claims more than it wrote shows the caller nothing of what had the buffer before")
  func formerTenants() throws {
    // One buffer, so that everybody has the same.
    let fixture = try ShadowFixture(slots: 1)
    var mapper = try fixture.mapper()
    for (first, direction) in [(2048, DMADirection.deviceReadable), (1500, .deviceWritable), (100, .deviceReadable)] {
      unsafe fixture.driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x5E)
      let secret = try mapper.map(fixture.driver.segment(length: first), direction)
      unsafe fixture.seen(secret.address, first).initializeMemory(as: UInt8.self, repeating: 0x5E)
      _ = try mapper.unmap(secret.mapping, direction, written: direction == .deviceReadable ? 0 : UInt32(first))
      for length in [64, 700, 2048] {
        unsafe fixture.driver.bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
        let mapped = try mapper.map(fixture.driver.segment(length: length), .deviceWritable)
        unsafe fixture.seen(mapped.address, 3).initializeMemory(as: UInt8.self, repeating: 0x77)
        _ = try mapper.unmap(mapped.mapping, .deviceWritable, written: UInt32(length))
        #expect(unsafe isFilled(fixture.bytes(0..<3), with: 0x77))
        #expect(unsafe isFilled(fixture.bytes(3..<length), with: 0), "\(first) \(direction), then \(length)")
      }
    }
  }

  @Test("no two mappings share a buffer, and every buffer comes back")
  func exhaustion() throws {
    let fixture = try ShadowFixture(slots: 5)
    var mapper = try fixture.mapper()
    let slots = mapper.slotCount
    #expect(slots == 5)
    for _ in 0..<3 {
      var live: [(address: IOVA, mapping: ShadowMapping)] = []
      for _ in 0..<5 { live.append(try mapper.map(fixture.driver.segment(length: 2048), .deviceReadable)) }
      let starts = live.map(\.address.rawValue).sorted()
      #expect(zip(starts, starts.dropFirst()).allSatisfy { $1 - $0 >= 2048 })
      let error = #expect(throws: DMAError.self) {
        _ = try mapper.map(fixture.driver.segment(length: 1), .deviceReadable)
      }
      #expect(error == .shadowBuffersInUse(5))
      for mapped in live { try mapper.unmap(mapped.mapping, .deviceReadable) }
    }
  }

  @Test("what cannot be mapped is refused with the reason, and costs no buffer")
  func refusals() throws {
    let fixture = try ShadowFixture(slots: 1)
    var mapper = try fixture.mapper()
    let large = #expect(throws: DMAError.self) {
      _ = try mapper.map(fixture.driver.segment(length: 2049), .deviceReadable)
    }
    #expect(large == .tooLarge(byteCount: 2049, maximum: 2048))
    for segment in [
      fixture.driver.segment(length: 0), MemorySegment(GuestPhysicalAddress(0), length: 8),
      MemorySegment(GuestPhysicalAddress(ShadowFixture.driverBase + 65_535), length: 2),
      MemorySegment(GuestPhysicalAddress(.max), length: 2),
    ] {
      let error = #expect(throws: DMAError.self) { _ = try mapper.map(segment, .deviceWritable) }
      #expect(error == .outOfBounds(segment))
    }
    _ = try mapper.map(fixture.driver.segment(length: 2048), .deviceReadable)
  }

  @Test("a mapping undone twice, another queue's, and none at all are refused and change nothing")
  func wrongMappings() throws {
    let fixture = try ShadowFixture()
    var mapper = try fixture.mapper()
    let other = try ShadowFixture()
    var stranger = try other.mapper()
    let mapped = try mapper.map(fixture.driver.segment(length: 64), .deviceWritable)
    let foreign = try stranger.map(other.driver.segment(length: 64), .deviceWritable)
    #expect(throws: DMAError.notMapped(foreign.address)) { try mapper.unmap(foreign.mapping, .deviceWritable) }
    try mapper.unmap(mapped.mapping, .deviceWritable)
    #expect(throws: DMAError.notMapped(mapped.address)) { try mapper.unmap(mapped.mapping, .deviceWritable) }
    let next = try mapper.map(fixture.driver.segment(length: 64), .deviceWritable)
    #expect(next.address == mapped.address, "the same buffer")
    #expect(throws: DMAError.notMapped(mapped.address)) { try mapper.unmap(mapped.mapping, .deviceWritable) }
    let never = ShadowMapper<CountedWork>.unmapped
    #expect(throws: DMAError.notMapped(IOVA(0))) { try mapper.unmap(never, .deviceReadable) }
    try mapper.unmap(next.mapping, .deviceWritable)
    let counts = mapper.work.counts
    #expect(counts[.unmaps] == 2)
  }

  @Test("memory that cannot serve is refused")
  func configuration() throws {
    let fixture = try ShadowFixture()
    func make(_ buffer: GuestBuffer, _ slot: Int) throws {
      _ = try ShadowMapper(memory: fixture.memory, buffer: buffer, slotByteCount: slot, counter: UncountedWork())
    }
    for slot in [0, -64, 63, 100, 1 << 31] {
      #expect(throws: ConfigurationError.invalidSlotSize(byteCount: slot)) { try make(fixture.shadow, slot) }
    }
    #expect(throws: ConfigurationError.notShared(fixture.driver.address)) { try make(fixture.driver, 64) }
    let odd = fixture.shadow.slice(at: 8, byteCount: 2048)
    #expect(throws: ConfigurationError.misaligned(odd.address, alignment: 64)) { try make(odd, 64) }
    let small = fixture.shadow.slice(at: 0, byteCount: 100)
    #expect(throws: ConfigurationError.memoryTooSmall(available: 100, needed: 128)) { try make(small, 128) }
    try make(fixture.shadow.slice(at: 0, byteCount: 128), 128)
  }
}
