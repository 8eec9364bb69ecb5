internal import CPeer
internal import RingKit
internal import Testing

/// One buffer's way to the device and back, with every byte looked at on both sides.
package struct Trip {
  package let rig: Rig
  package let sequence: UInt64
  package let readable: Int
  package let writable: Int
  package let written: Int

  /// Segments of 40 bytes, 24 apart, so that what lies between them can be looked at too.
  private static let length = 40
  private static let stride = 64

  package init(_ rig: Rig, _ sequence: UInt64, readable: Int, writable: Int, written: Int) {
    self.rig = rig
    self.sequence = sequence
    self.readable = readable
    self.writable = writable
    self.written = written
  }

  private func segment(_ i: Int) -> MemorySegment { rig.segment(at: i * Self.stride, Self.length) }

  package func run() throws {
    for i in 0..<readable + writable {
      rig.fill(i * Self.stride, Self.stride, sequence, at: i * Self.length)
    }
    let segments = (0..<readable + writable).map(segment)
    let result =
      segments.count == 1
      ? try rig.driver.add(segments[0], readable == 1 ? .deviceReadable : .deviceWritable, token: sequence)
      : try rig.driver.add(
        readable: Array(segments[..<readable]), writable: Array(segments[readable...]), token: sequence)
    #expect(result == .added)
    #expect(try rig.device.fetchAll().isEmpty, "nothing is available before it is published")
    rig.driver.publish()
    let chain = try rig.device.fetch()
    #expect(chain.readableByteCount == UInt64(Self.length * readable))
    #expect(chain.writableByteCount == UInt64(Self.length * writable))
    serve(rig.device.segments)
    rig.device.complete(chain, written: UInt32(written))
    rig.device.publish()
    #expect(try rig.driver.nextUsed() == Completion(token: sequence, writtenByteCount: UInt32(written)))
    #expect(try rig.driver.nextUsed() == nil)
    check()
  }

  private func serve(_ segments: [TranslatedSegment]) {
    var (consumed, produced) = (0, 0)
    for segment in segments {
      let bytes = unsafe segment.host.pointer.assumingMemoryBound(to: UInt8.self)
      if segment.access == .deviceReadable {
        #expect(unsafe cpeer_check(bytes, segment.byteCount, sequence, consumed) == segment.byteCount)
        consumed += segment.byteCount
      } else {
        let count = min(segment.byteCount, max(written - produced, 0))
        unsafe cpeer_fill(bytes, count, ~sequence, produced)
        produced += segment.byteCount
      }
    }
    #expect(consumed == Self.length * readable && produced == Self.length * writable)
  }

  private func check() {
    for i in 0..<readable + writable {
      let offset = i * Self.stride
      let position = i * Self.length
      let done = i < readable ? 0 : min(max(written - (i - readable) * Self.length, 0), Self.length)
      #expect(rig.holds(offset, done, ~sequence, at: (i - readable) * Self.length))
      // What the device did not write is as it was, and so is what lies beside the segment.
      let rest = rig.holds(offset + done, Self.stride - done, sequence, at: position + done)
      #expect(rest, "segment \(i) of \(readable) + \(writable), \(written) written")
    }
  }
}
