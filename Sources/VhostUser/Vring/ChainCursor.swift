internal import CRing
internal import Glibc
public import RingKit

/// Where the next bytes of a chain's readable or writable part are, whatever its framing.
///
/// It holds no segments: each call is given those of the chain, the queue's own or a copy that a device keeps. A chain
/// of one segment needs none. The caller compares a count with ``remaining`` before it moves on by so many bytes.
@frozen @usableFromInline @safe
struct ChainCursor: BitwiseCopyable {
  @usableFromInline let access: DMADirection
  /// Bytes from here to the end.
  @usableFromInline var remaining: Int
  /// The next byte, how many follow in the same segment, and the index of the next segment.
  @usableFromInline var host: HostAddress
  @usableFromInline var left: Int
  @usableFromInline var index = 1

  /// At the beginning of what may be read, or of what may be written.
  @inlinable @inline(__always)
  init(_ chain: DeviceChain, _ access: DMADirection) {
    self.access = access
    remaining = Int(access == .deviceReadable ? chain.readableByteCount : chain.writableByteCount)
    host = chain.first.host
    left = chain.first.access == access ? chain.first.byteCount : 0
  }

  /// Ends so many bytes earlier; there are as many.
  mutating func shorten(by count: Int) { remaining -= count }

  /// Calls `body` for each contiguous part of the next bytes and goes on behind them; so many remain.
  @inlinable @inline(__always)
  mutating func forEach(
    _ count: Int, _ segments: Span<TranslatedSegment>, _ body: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    if count > left {
      self = unsafe Self.forEachPart(self, count, segments, body)
      return
    }
    // SAFETY: a part of a segment that the translator handed out for this access.
    unsafe body(UnsafeMutableRawBufferPointer(start: host.pointer, count: count))
    step(count)
  }

  /// ``forEach(_:_:_:)`` where the bytes are in several segments.
  ///
  /// A value in and a value out: what a call has the address of cannot be kept in registers.
  @usableFromInline @inline(never)
  static func forEachPart(
    _ start: ChainCursor, _ count: Int, _ segments: Span<TranslatedSegment>,
    _ body: (UnsafeMutableRawBufferPointer) -> Void
  ) -> ChainCursor {
    var (cursor, count) = (start, count)
    while count > 0 {
      if cursor.left == 0 { cursor.enter(segments) }
      let part = min(cursor.left, count)
      // SAFETY: as above.
      unsafe body(UnsafeMutableRawBufferPointer(start: cursor.host.pointer, count: part))
      cursor.step(part)
      count -= part
    }
    return cursor
  }

  @inlinable @inline(__always)
  mutating func step(_ count: Int) {
    unsafe host = host.advanced(by: count)
    left &-= count
    remaining &-= count
  }

  /// Goes to the next segment of its kind; bytes remain, so there is one.
  private mutating func enter(_ segments: Span<TranslatedSegment>) {
    while left == 0 {
      let segment = segments[index]
      if segment.access == access { (host, left) = (segment.host, segment.byteCount) }
      index += 1
    }
  }

  /// Goes on by so many bytes.
  @inlinable @inline(__always)
  mutating func advance(by count: Int, _ segments: Span<TranslatedSegment>) {
    unsafe forEach(count, segments) { _ in }
  }

  /// Reads a little-endian number.
  @inlinable @inline(__always)
  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ segments: Span<TranslatedSegment>) -> Number {
    let count = MemoryLayout<Number>.size
    guard count <= left else {
      let (value, next): (Number, ChainCursor) = Self.numberInParts(self, segments)
      self = next
      return value
    }
    // SAFETY: so many bytes follow in a segment that the translator handed out for this access.
    let value = unsafe host.pointer.loadUnaligned(as: Number.self)
    step(count)
    return Number(littleEndian: value)
  }

  @inlinable @inline(never)
  static func numberInParts<Number: FixedWidthInteger & BitwiseCopyable>(
    _ start: ChainCursor, _ segments: Span<TranslatedSegment>
  ) -> (Number, ChainCursor) {
    var (cursor, value) = (start, 0 as Number)
    unsafe withUnsafeMutableBytes(of: &value) { to in unsafe cursor.copy(to: to, segments) }
    return (Number(littleEndian: value), cursor)
  }

  /// Writes a little-endian number.
  @inlinable @inline(__always)
  mutating func store<Number: FixedWidthInteger & BitwiseCopyable>(
    _ number: Number, _ segments: Span<TranslatedSegment>
  ) {
    let count = MemoryLayout<Number>.size
    guard count <= left else {
      self = Self.storeInParts(self, number, segments)
      return
    }
    // SAFETY: as above.
    unsafe host.pointer.storeBytes(of: number.littleEndian, as: Number.self)
    step(count)
  }

  /// Writes a little-endian number unless it stands there.
  @inline(__always)
  mutating func restore<Number: FixedWidthInteger & BitwiseCopyable>(
    _ number: Number, _ segments: Span<TranslatedSegment>
  ) {
    let count = MemoryLayout<Number>.size
    // SAFETY: as above.
    if count <= left, unsafe host.pointer.loadUnaligned(as: Number.self) == number.littleEndian {
      step(count)
    } else {
      store(number, segments)
    }
  }

  @inlinable @inline(never)
  static func storeInParts<Number: FixedWidthInteger & BitwiseCopyable>(
    _ start: ChainCursor, _ number: Number, _ segments: Span<TranslatedSegment>
  ) -> ChainCursor {
    var cursor = start
    unsafe withUnsafeBytes(of: number.littleEndian) { from in unsafe cursor.store(from, segments) }
    return cursor
  }

  /// Copies as many bytes as fit into `to`.
  @inlinable @inline(__always)
  mutating func copy(to: UnsafeMutableRawBufferPointer, _ segments: Span<TranslatedSegment>) {
    var done = 0
    unsafe forEach(to.count, segments) { part in
      unsafe UnsafeMutableRawBufferPointer(rebasing: to[done..<(done &+ part.count)])
        .copyMemory(from: UnsafeRawBufferPointer(part))
      done &+= part.count
    }
  }

  /// Writes bytes.
  @inlinable @inline(__always)
  mutating func store(_ from: UnsafeRawBufferPointer, _ segments: Span<TranslatedSegment>) {
    var done = 0
    unsafe forEach(from.count, segments) { part in
      unsafe part.copyMemory(from: UnsafeRawBufferPointer(rebasing: from[done..<(done &+ part.count)]))
      done &+= part.count
    }
  }

  /// Writes zeros.
  mutating func clear(_ count: Int, _ segments: Span<TranslatedSegment>) {
    unsafe forEach(count, segments) { part in _ = unsafe part.initializeMemory(as: UInt8.self, repeating: 0) }
  }

  /// The next bytes, `limit` at most, in as many vectors as there is room for; it stays where it is.
  ///
  /// - Returns: how many vectors.
  func vectors(
    _ segments: Span<TranslatedSegment>, limit: Int, to list: UnsafeMutableBufferPointer<iovec>
  ) -> Int {
    var ahead = self
    var (rest, count) = (min(limit, remaining), 0)
    while rest > 0, count < list.count {
      if ahead.left == 0 { ahead.enter(segments) }
      let part = min(ahead.left, rest)
      // SAFETY: a part of a segment that the translator handed out for this access.
      unsafe list[count] = iovec(iov_base: ahead.host.pointer, iov_len: part)
      count += 1
      ahead.step(part)
      rest -= part
    }
    return count
  }
}

extension [TranslatedSegment] {
  /// A copy of a chain's segments, for a device that keeps the chain; allocates.
  init(_ segments: Span<TranslatedSegment>) {
    self.init()
    reserveCapacity(segments.count)
    for i in segments.indices { append(segments[i]) }
  }
}
