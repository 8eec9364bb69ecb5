import RingKit
import Testing

/// What is copied when, and what is left alone.
@Suite struct SwiotlbCopyTests {
  static let sizes = [1, 63, 64, 511, 512, 2047, 2048, 2049, 4096, 5000, 262_144]

  private func pattern(_ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset &* 31 &+ offset / 251) }

  private func fixture() throws -> SwiotlbFixture {
    let fixture = try SwiotlbFixture(segments: 2)
    for offset in 0..<fixture.driver.byteCount { unsafe fixture.bytes[offset] = pattern(offset) }
    unsafe fixture.pool.buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xEE)
    return fixture
  }

  @Test(arguments: sizes, DMADirection.allCases)
  func copiesAllOfItInAndNothingElse(byteCount: Int, direction: DMADirection) throws {
    let fixture = try fixture()
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: 777, length: byteCount), direction)
    let seen = unsafe fixture.deviceBytes(mapped.address, byteCount)
    #expect((0..<byteCount).allSatisfy { unsafe seen[$0] == pattern(777 + $0) })
    // The slots around it, and the rest of its own last slot, hold what they held.
    let start = fixture.slot(of: mapped.address) * 2048
    let pool = unsafe fixture.pool.buffer.bytes
    #expect(unsafe pool[..<start].allSatisfy { $0 == 0xEE })
    #expect(unsafe pool[(start + byteCount)...].allSatisfy { $0 == 0xEE })
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedIn] == UInt64(byteCount))
    #expect(counts[.bytesCopiedOut] == 0)
  }

  @Test(arguments: sizes)
  func bytesTheDeviceLeavesAloneSurvive(byteCount: Int) throws {
    let fixture = try fixture()
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: 777, length: byteCount), .deviceWritable)
    let written = byteCount / 2
    unsafe fixture.deviceBytes(mapped.address, written).initializeMemory(as: UInt8.self, repeating: 0x55)
    // The driver's own copy is the driver's until it is copied over: what it stores meanwhile is lost, in full length.
    unsafe fixture.bytes[777 + byteCount - 1] = 0xAA
    try mapper.unmap(mapped.mapping, .deviceWritable)
    let bytes = unsafe fixture.bytes
    #expect(unsafe bytes[777..<777 + written].allSatisfy { $0 == 0x55 })
    #expect((written..<byteCount).allSatisfy { unsafe bytes[777 + $0] == pattern(777 + $0) })
    #expect(unsafe bytes[776] == pattern(776))
    #expect(unsafe bytes[777 + byteCount] == pattern(777 + byteCount))
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedOut] == UInt64(byteCount))
  }

  @Test(arguments: sizes)
  func nothingComesBackFromWhatTheDeviceOnlyReads(byteCount: Int) throws {
    let fixture = try fixture()
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: 777, length: byteCount), .deviceReadable)
    unsafe fixture.deviceBytes(mapped.address, byteCount).initializeMemory(as: UInt8.self, repeating: 0x55)
    try mapper.unmap(mapped.mapping, .deviceReadable)
    let bytes = unsafe fixture.bytes
    #expect(bytes.indices.allSatisfy { unsafe bytes[$0] == pattern($0) })
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedOut] == 0)
    #expect(counts[.unmaps] == 1)
  }

  @Test func slotsAreNotClearedBetweenMappings() throws {
    // As Linux: the end of the slot still shows the mapping before. Whoever minds maps whole slots.
    let fixture = try SwiotlbFixture(segments: 1)
    unsafe fixture.bytes.initializeMemory(as: UInt8.self, repeating: 0x77)
    var mapper = fixture.mapper()
    for _ in 0..<128 {
      let mapped = try mapper.map(fixture.driver.segment(length: 2048), .deviceReadable)
      try mapper.unmap(mapped.mapping, .deviceReadable)
    }
    unsafe fixture.bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
    let mapped = try mapper.map(fixture.driver.segment(length: 64), .deviceReadable)
    let slot = unsafe fixture.deviceBytes(mapped.address, 2048)
    #expect(unsafe slot[..<64].allSatisfy { $0 == 0x11 })
    #expect(unsafe slot[64...].allSatisfy { $0 == 0x77 })
  }
}
