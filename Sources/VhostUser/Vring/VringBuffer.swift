public import RingKit

/// A buffer of a queue, lent to a device that serves it: a reader of what the driver wrote, and a writer of the answer.
///
/// Both go through the buffer from its first byte on, whatever its framing: a header may be in several descriptors, and
/// several headers in one. Nothing is allocated and nothing is copied but what is asked for. Each byte is read once:
/// what was read is the caller's, whatever the driver does to its memory meanwhile. Numbers are little-endian.
///
/// A buffer that is shorter than what is read or written throws ``VringFailure/device(_:)``, which stops the queue when
/// the device passes it on. It cannot be kept: it ends with the call that it is lent for.
@frozen @safe
public struct VringBuffer: ~Copyable, ~Escapable {
  /// The buffer as the ring has it.
  public let chain: DeviceChain
  // No span: a value that holds one is destroyed through its type's witness, and so lives in memory, per buffer.
  @usableFromInline let table: UnsafeBufferPointer<TranslatedSegment>
  @usableFromInline var reader: ChainCursor
  @usableFromInline var writer: ChainCursor

  /// A buffer of one segment, for which there is no table, or of all that are in `segments`.
  @inlinable @inline(__always)
  @_lifetime(copy segments)
  init(_ chain: DeviceChain, _ segments: Span<TranslatedSegment>) {
    self.chain = chain
    unsafe table = segments.withUnsafeBufferPointer { unsafe $0 }
    reader = ChainCursor(chain, .deviceReadable)
    writer = ChainCursor(chain, .deviceWritable)
  }

  /// All segments, or none of a buffer of one.
  @inlinable
  var segments: Span<TranslatedSegment> {
    @_lifetime(copy self)
    get {
      // SAFETY: the table that was lent for as long as this lives.
      unsafe _overrideLifetime(table.span, copying: self)
    }
  }

  /// Bytes that are left to read.
  @inlinable public var readableCount: Int { reader.remaining }

  /// Bytes that are left to write.
  @inlinable public var writableCount: Int { writer.remaining }

  /// Bytes that were written.
  @inlinable public var writtenCount: Int { Int(chain.writableByteCount) &- writer.remaining }
}

extension VringBuffer {
  /// Reads a number.
  @inlinable @inline(__always)
  public mutating func read<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: Number.Type = Number.self
  ) throws(VringFailure) -> Number {
    let count = MemoryLayout<Number>.size
    guard count <= reader.remaining else { throw Self.tooShort(toRead: count, of: chain, left: reader.remaining) }
    return reader.number(segments)
  }

  /// Reads as many bytes as fit into a span.
  @inlinable
  public mutating func read(into bytes: inout MutableSpan<UInt8>) throws(VringFailure) {
    guard bytes.count <= reader.remaining else {
      throw Self.tooShort(toRead: bytes.count, of: chain, left: reader.remaining)
    }
    // SAFETY: the span is written inside the call, no more of it than it has.
    unsafe bytes.withUnsafeMutableBytes { to in unsafe reader.copy(to: to, segments) }
  }

  /// Reads as many bytes as fit into memory of the caller's.
  @unsafe @inlinable @inline(__always)
  public mutating func read(into bytes: UnsafeMutableRawBufferPointer) throws(VringFailure) {
    guard bytes.count <= reader.remaining else {
      throw Self.tooShort(toRead: bytes.count, of: chain, left: reader.remaining)
    }
    unsafe reader.copy(to: bytes, segments)
  }

  /// Reads so many bytes into an array; allocates.
  @inlinable
  public mutating func read(count: Int) throws(VringFailure) -> [UInt8] {
    guard count >= 0, count <= reader.remaining else {
      throw Self.tooShort(toRead: count, of: chain, left: reader.remaining)
    }
    var bytes = [UInt8](repeating: 0, count: count)
    // SAFETY: the array is written inside the call, no more of it than it has.
    unsafe bytes.withUnsafeMutableBytes { to in unsafe reader.copy(to: to, segments) }
    return bytes
  }

  /// Leaves so many bytes out.
  @inlinable @inline(__always)
  public mutating func skip(_ count: Int) throws(VringFailure) {
    guard count >= 0, count <= reader.remaining else {
      throw Self.tooShort(toRead: count, of: chain, left: reader.remaining)
    }
    reader.advance(by: count, segments)
  }

  @usableFromInline @inline(never)
  static func tooShort(toRead count: Int, of chain: DeviceChain, left: Int) -> VringFailure {
    .device("a buffer with \(left) of \(chain.readableByteCount) bytes left to read; \(count) are needed")
  }
}

extension VringBuffer {
  /// Writes a number.
  @inlinable @inline(__always)
  public mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(
    _ number: Number
  ) throws(VringFailure) {
    let count = MemoryLayout<Number>.size
    guard count <= writer.remaining else { throw Self.tooShort(toWrite: count, of: chain, left: writer.remaining) }
    writer.store(number, segments)
  }

  /// Writes a number unless it stands there already, as in a header that comes back as the driver left it.
  ///
  /// A line that the driver's CPU has read stays in both caches then. What the driver writes there meanwhile is its own
  /// loss: nothing is decided by it.
  @inline(__always)
  mutating func rewrite<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) throws(VringFailure) {
    let count = MemoryLayout<Number>.size
    guard count <= writer.remaining else { throw Self.tooShort(toWrite: count, of: chain, left: writer.remaining) }
    writer.restore(number, segments)
  }

  /// Writes the bytes of a span.
  @inlinable
  public mutating func write(_ bytes: Span<UInt8>) throws(VringFailure) {
    guard bytes.count <= writer.remaining else {
      throw Self.tooShort(toWrite: bytes.count, of: chain, left: writer.remaining)
    }
    // SAFETY: the span is read inside the call.
    unsafe bytes.withUnsafeBytes { from in unsafe writer.store(from, segments) }
  }

  /// Writes the bytes of an array.
  @inlinable
  public mutating func write(_ bytes: [UInt8]) throws(VringFailure) { try write(bytes.span) }

  /// Writes bytes that lie in memory of the caller's.
  @unsafe @inlinable @inline(__always)
  public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VringFailure) {
    guard bytes.count <= writer.remaining else {
      throw Self.tooShort(toWrite: bytes.count, of: chain, left: writer.remaining)
    }
    unsafe writer.store(bytes, segments)
  }

  /// Writes so many bytes, each as `next` gives it.
  @inlinable
  public mutating func write(count: Int, _ next: () -> UInt8) throws(VringFailure) {
    guard count >= 0, count <= writer.remaining else {
      throw Self.tooShort(toWrite: count, of: chain, left: writer.remaining)
    }
    unsafe writer.forEach(count, segments) { part in
      for i in part.indices { unsafe part[i] = next() }
    }
  }

  @usableFromInline @inline(never)
  static func tooShort(toWrite count: Int, of chain: DeviceChain, left: Int) -> VringFailure {
    .device("a buffer with \(left) of \(chain.writableByteCount) bytes left to write; \(count) are needed")
  }
}
