import RingKit
import RingKitTesting
import Testing

/// What is copied when, and what is left alone.
@Suite struct SwiotlbCopyTests {
  static let sizes = [1, 63, 64, 511, 512, 2047, 2048, 2049, 4096, 5000, 262_144]
  // No period that slots or pages have, so that a copy from the wrong offset shows.
  static let pattern = (0..<266_240).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251) }
  // Where the segments begin in the driver's memory: aligned to nothing.
  private let start = 777
  private let fixture: SwiotlbFixture

  init() throws {
    fixture = try SwiotlbFixture(segments: 2, driverByteCount: Self.pattern.count)
    unsafe fixture.bytes.copyBytes(from: Self.pattern)
    unsafe fixture.pool.buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xEE)
  }

  private func isUntouched(_ range: Range<Int>) -> Bool {
    unsafe isEqual(fixture.bytes(range), to: Self.pattern[range])
  }

  @Test(arguments: sizes, DMADirection.allCases)
  func copiesAllOfItInAndNothingElse(byteCount: Int, direction: DMADirection) throws {
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: start, length: byteCount), direction)
    let seen = unsafe fixture.deviceBytes(mapped.address, byteCount)
    #expect(unsafe isEqual(seen, to: Self.pattern[start..<start + byteCount]))
    // The slots around it, and the rest of its own last slot, hold what they held.
    let first = fixture.slot(of: mapped.address) * 2048
    #expect(unsafe isFilled(fixture.poolBytes(0..<first), with: 0xEE))
    #expect(unsafe isFilled(fixture.poolBytes(first + byteCount..<fixture.pool.buffer.byteCount), with: 0xEE))
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedIn] == UInt64(byteCount))
    #expect(counts[.bytesCopiedOut] == 0)
  }

  @Test(arguments: sizes)
  func bytesTheDeviceLeavesAloneSurvive(byteCount: Int) throws {
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: start, length: byteCount), .deviceWritable)
    let written = byteCount / 2
    unsafe fixture.deviceBytes(mapped.address, written).initializeMemory(as: UInt8.self, repeating: 0x55)
    // What the driver stores while the device has the segment is lost: the full length comes back.
    unsafe fixture.bytes[start + byteCount - 1] ^= 0xFF
    try mapper.unmap(mapped.mapping, .deviceWritable)
    #expect(unsafe isFilled(fixture.bytes(start..<start + written), with: 0x55))
    #expect(isUntouched(start + written..<start + byteCount))
    #expect(isUntouched(0..<start))
    #expect(isUntouched(start + byteCount..<Self.pattern.count))
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedOut] == UInt64(byteCount))
  }

  @Test(arguments: sizes)
  func nothingComesBackFromWhatTheDeviceOnlyReads(byteCount: Int) throws {
    var mapper = fixture.mapper()
    let mapped = try mapper.map(fixture.driver.segment(at: start, length: byteCount), .deviceReadable)
    unsafe fixture.deviceBytes(mapped.address, byteCount).initializeMemory(as: UInt8.self, repeating: 0x55)
    try mapper.unmap(mapped.mapping, .deviceReadable)
    #expect(isUntouched(0..<Self.pattern.count))
    let counts = mapper.work.counts
    #expect(counts[.bytesCopiedOut] == 0)
    #expect(counts[.unmaps] == 1)
  }

  @Test func slotsAreNotClearedBetweenMappings() throws {
    // As Linux: the end of the slot still shows the mapping before. A caller that minds maps whole slots.
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
