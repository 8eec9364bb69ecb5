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

  /// The first 16 bytes, as two little-endian words; the run has as many.
  func words() -> (UInt64, UInt64) {
    var words: (UInt64, UInt64) = (0, 0)
    var place = 0
    unsafe withUnsafeMutableBytes(of: &words) { to in
      unsafe forEach(0..<16) { part in
        unsafe UnsafeMutableRawBufferPointer(rebasing: to[place..<(place + part.count)])
          .copyMemory(from: UnsafeRawBufferPointer(part))
        place += part.count
      }
    }
    return (UInt64(littleEndian: words.0), UInt64(littleEndian: words.1))
  }
}

/// Where the next bytes of a run lie: for what is moved in parts, each found without a search from the beginning.
struct ChainCursor {
  let access: DMADirection
  private(set) var remaining: Int
  private var index = 0
  private var offset = 0

  /// The part of a run that begins behind `skipped` bytes and has `count`.
  init(_ segments: [TranslatedSegment], _ access: DMADirection, after skipped: Int, count: Int) {
    self.access = access
    remaining = skipped + count
    advance(by: skipped, in: segments)
  }

  /// Goes on by `count` bytes, no more than remain.
  mutating func advance(by count: Int, in segments: [TranslatedSegment]) {
    remaining -= count
    var count = count
    while count > 0 {
      let segment = segments[index]
      let left = segment.access == access ? segment.byteCount - offset : 0
      if count < left {
        offset += count
        return
      }
      count -= left
      index += 1
      offset = 0
    }
  }

  /// The next bytes, `limit` at most, in as many vectors as one system call takes.
  func vectors(_ segments: [TranslatedSegment], limit: Int, to list: inout [iovec]) {
    unsafe list.removeAll(keepingCapacity: true)
    var (index, offset, left) = (index, offset, min(limit, remaining))
    // UIO_MAXIOV.
    while left > 0, unsafe list.count < 1024 {
      let segment = segments[index]
      if segment.access == access {
        let count = min(segment.byteCount - offset, left)
        // SAFETY: a part of a segment that the translator handed out for this access.
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: segment.bytes[offset..<(offset + count)])
        unsafe list.append(iovec(iov_base: part.baseAddress, iov_len: count))
        left -= count
      }
      index += 1
      offset = 0
    }
  }

  /// Writes zeros to the next bytes, `limit` at most, and goes on behind them.
  ///
  /// - Returns: how many there were.
  mutating func clear(_ segments: [TranslatedSegment], limit: Int) -> Int {
    let count = min(limit, remaining)
    var left = count
    while left > 0 {
      let segment = segments[index]
      let part = segment.access == access ? min(segment.byteCount - offset, left) : 0
      // SAFETY: a part of a segment that the translator handed out for this access.
      _ = unsafe UnsafeMutableRawBufferPointer(rebasing: segment.bytes[offset..<(offset + part)])
        .initializeMemory(as: UInt8.self, repeating: 0)
      left -= part
      remaining -= part
      offset += part
      if offset >= segment.byteCount || segment.access != access { (index, offset) = (index + 1, 0) }
    }
    return count
  }
}
