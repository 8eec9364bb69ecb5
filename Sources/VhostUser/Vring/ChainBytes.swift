internal import Glibc
internal import RingKit

/// The bytes of one chain, as the readable and the writable run that a driver sees, whatever the segment boundaries.
struct ChainBytes {
  let segments: [TranslatedSegment]
  let access: DMADirection
  let count: Int

  /// One of the two runs of a chain.
  init(_ segments: [TranslatedSegment], _ access: DMADirection, count: UInt64) {
    self.segments = segments
    self.access = access
    self.count = Int(count)
  }

  /// Calls `body` for each segment's share of `range`, which lies inside the run.
  func forEach(_ range: Range<Int>, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
    var place = 0
    for segment in segments where segment.access == access {
      let (start, end) = (max(range.lowerBound, place), min(range.upperBound, place + segment.byteCount))
      if start < end {
        // SAFETY: a part of a segment that the translator handed out for this access.
        unsafe body(UnsafeMutableRawBufferPointer(rebasing: segment.bytes[(start - place)..<(end - place)]))
      }
      place += segment.byteCount
    }
  }

  /// A copy of a part of the run, to parse.
  func copy(_ range: Range<Int>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    unsafe forEach(range) { part in unsafe bytes.append(contentsOf: part) }
    return bytes
  }

  /// Writes to a part of the run.
  func store(_ bytes: [UInt8], at place: Int) {
    var done = 0
    unsafe forEach(place..<(place + bytes.count)) { part in
      unsafe part.copyBytes(from: bytes[done..<(done + part.count)])
      done += part.count
    }
  }

  /// Writes zeros to a part of the run.
  func clear(_ range: Range<Int>) {
    unsafe forEach(range) { part in _ = unsafe part.initializeMemory(as: UInt8.self, repeating: 0) }
  }

  /// A part of the run, for calls that read or write files.
  func vectors(_ range: Range<Int>) -> [iovec] {
    var list: [iovec] = unsafe []
    unsafe forEach(range) { part in
      unsafe list.append(iovec(iov_base: part.baseAddress, iov_len: part.count))
    }
    return unsafe list
  }
}
