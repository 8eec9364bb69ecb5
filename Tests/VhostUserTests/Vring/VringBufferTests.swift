import RingKit
import Testing
import VhostUser

/// What a device reads of a buffer and writes to it, whatever the framing.
@Suite struct VringBufferTests {
  private static let sent = (0..<40).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }

  /// 40 bytes come, 48 go back; in parts of so many bytes each.
  private func exchange(
    _ layout: VirtioFeatures, read: Int, write: Int, isNoted: Bool = false,
    _ body: @escaping (inout VringBuffer) throws(VringFailure) -> Void
  ) throws -> (answer: [UInt8], written: UInt32?, failures: [VringFailure]) {
    let driver = try BodyDriver(BodyDevice(body), features: layout, size: 128, isNoted: isNoted)
    unsafe driver.buffer.bytes.copyBytes(from: Self.sent + [UInt8](repeating: 0xee, count: 48))
    try driver.queue.add(readable: driver.parts(0, 40, read), writable: driver.parts(40, 48, write), token: 1)
    try driver.settle()
    return (
      driver.bytes(40..<88), try driver.queue.nextUsed()?.writtenByteCount,
      driver.frontend.backend.takeFailures().map(\.failure)
    )
  }

  @Test(arguments: [VirtioFeatures(), .packedRing, .inOrder, [.packedRing, .inOrder]], [true, false])
  func readsAndWritesEveryFraming(layout: VirtioFeatures, isNoted: Bool) throws {
    for (read, write) in [(40, 48), (1, 1), (3, 5), (7, 48), (40, 2), (16, 16)] {
      let (answer, written, failures) = try exchange(layout, read: read, write: write, isNoted: isNoted) {
        buffer throws(VringFailure) in
        guard buffer.readableCount == 40, buffer.writableCount == 48 else { throw .device("another size") }
        let first: UInt16 = try buffer.read()
        try buffer.skip(5)
        let second: UInt64 = try buffer.read()
        try buffer.write(first)
        try buffer.write(second)
        var bytes = [UInt8](repeating: 0, count: 20)
        var span = bytes.mutableSpan
        try buffer.read(into: &span)
        try buffer.write(bytes)
        try buffer.write(buffer.read(count: 5))
        var next: UInt8 = 200
        try buffer.write(count: 9) {
          next += 1
          return next
        }
        guard buffer.readableCount == 0, buffer.writtenCount == 44 else { throw .device("another count") }
      }
      let expected = Self.sent[0..<2] + Self.sent[7..<40] + (201...209) + [0xee, 0xee, 0xee, 0xee]
      #expect(answer == Array(expected), "parts of \(read) and \(write)")
      #expect(written == 44 && failures.isEmpty)
    }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing], [40, 8])
  func refusesWhatIsNotThere(layout: VirtioFeatures, part: Int) throws {
    func refused(_ body: @escaping (inout VringBuffer) throws(VringFailure) -> Void) throws {
      let (answer, written, failures) = try exchange(layout, read: part, write: part, body)
      #expect(answer.allSatisfy { $0 == 0xee } && written == nil)
      guard case .device(let text) = failures.first else {
        Issue.record("it was not refused: \(failures)")
        return
      }
      #expect(text.contains("are needed"))
    }
    try refused { buffer throws(VringFailure) in _ = try buffer.read(count: 41) }
    try refused { buffer throws(VringFailure) in try buffer.skip(41) }
    try refused { buffer throws(VringFailure) in
      try buffer.skip(37)
      _ = try buffer.read(UInt32.self)
    }
    try refused { buffer throws(VringFailure) in try buffer.skip(-1) }
    try refused { buffer throws(VringFailure) in try buffer.write([UInt8](repeating: 1, count: 49)) }
    try refused { buffer throws(VringFailure) in try buffer.write(count: 49) { 1 } }
    try refused { buffer throws(VringFailure) in
      var bytes = [UInt8](repeating: 0, count: 41)
      var span = bytes.mutableSpan
      try buffer.read(into: &span)
    }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing], [true, false])
  func buffersBeforeOneThatIsRefusedComeBack(layout: VirtioFeatures, isNoted: Bool) throws {
    let device = BodyDevice { buffer throws(VringFailure) in try buffer.write(buffer.read(UInt32.self)) }
    let driver = try BodyDriver(device, features: layout, isNoted: isNoted)
    for token in 0..<8 {
      try driver.queue.add(
        readable: driver.parts(16 * token, token == 5 ? 3 : 4, 2), writable: driver.parts(16 * token + 8, 4, 3),
        token: UInt64(token))
    }
    try driver.settle()
    #expect(try driver.queue.used().map(\.token) == [0, 1, 2, 3, 4])
    #expect(driver.frontend.backend.takeFailures().count == 1)
    #expect(driver.frontend.backend.counts.completed == 5)
  }
}
