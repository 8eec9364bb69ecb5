/// A buffer the driver made available, as the device holds it until it is completed.
@frozen
public struct DeviceChain: Sendable, BitwiseCopyable {
  /// Split: the head descriptor's index.
  ///
  /// Packed: the buffer id.
  public let id: UInt16
  /// Descriptors of the ring it occupies (1 for an indirect table).
  public let descriptorCount: UInt16
  /// Segments of memory it consists of, after contiguous ones were joined.
  public let segmentCount: Int
  /// Bytes the device may read.
  public let readableByteCount: UInt64
  /// Bytes the device may write.
  public let writableByteCount: UInt64
  /// The first segment; the only one of most buffers.
  public let first: TranslatedSegment

  /// A chain of one descriptor and one segment.
  @inlinable @inline(__always)
  init(id: UInt16, segment: TranslatedSegment) {
    let isWritable = segment.access == .deviceWritable
    self.init(
      id: id, descriptorCount: 1, segmentCount: 1,
      readableByteCount: isWritable ? 0 : UInt64(segment.byteCount),
      writableByteCount: isWritable ? UInt64(segment.byteCount) : 0, first: segment)
  }

  @inlinable @inline(__always)
  init(
    id: UInt16, descriptorCount: UInt16, segmentCount: Int, readableByteCount: UInt64, writableByteCount: UInt64,
    first: TranslatedSegment
  ) {
    self.id = id
    self.descriptorCount = descriptorCount
    self.segmentCount = segmentCount
    self.readableByteCount = readableByteCount
    self.writableByteCount = writableByteCount
    self.first = first
  }
}

extension DeviceChain {
  /// A chain that a device queue of your own has fetched.
  ///
  /// - Parameters:
  ///   - id: what completing it names.
  ///   - descriptorCount: descriptors of the ring that it occupies.
  ///   - segments: what it consists of.
  public init(id: UInt16, descriptorCount: UInt16, _ segments: borrowing ChainSegments) {
    var (readable, writable): (UInt64, UInt64) = (0, 0)
    for i in segments.indices {
      let count = UInt64(segments[i].byteCount)
      if segments[i].access == .deviceReadable { readable += count } else { writable += count }
    }
    self.init(
      id: id, descriptorCount: descriptorCount, segmentCount: segments.count, readableByteCount: readable,
      writableByteCount: writable, first: segments.count > 0 ? segments[0] : .empty)
  }
}

/// The segments of a chain, lent to a device's body while it serves the chain.
///
/// It can be neither kept nor copied. A single segment, which most chains have, is stored here; several are in the
/// queue's table.
@frozen @safe
public struct ChainSegments: ~Copyable, ~Escapable {
  /// How many there are; 0 for a chain without a byte.
  public let count: Int
  @usableFromInline let first: TranslatedSegment
  // No span: a value that holds one is destroyed through its type's witness, which is a call for each buffer.
  @usableFromInline let rest: UnsafeBufferPointer<TranslatedSegment>

  /// One segment.
  @inlinable @inline(__always)
  @_lifetime(immortal)
  init(_ only: TranslatedSegment) {
    count = 1
    first = only
    unsafe rest = UnsafeBufferPointer(start: nil, count: 0)
  }

  /// All of `table`.
  @inlinable @inline(__always)
  @_lifetime(copy table)
  init(_ table: Span<TranslatedSegment>) {
    count = table.count
    first = .empty
    unsafe rest = table.withUnsafeBufferPointer { unsafe $0 }
  }

  /// All of them, or empty where ``first`` is the only one.
  @inlinable
  package var table: Span<TranslatedSegment> {
    @_lifetime(copy self) @inline(__always)
    get {
      // SAFETY: the table that was lent for as long as this lives.
      unsafe _overrideLifetime(rest.span, copying: self)
    }
  }

  /// The positions, in the chain's order.
  @inlinable
  public var indices: Range<Int> { 0..<count }

  /// The segment at an index below ``count``.
  @inlinable
  public subscript(index: Int) -> TranslatedSegment {
    table.isEmpty && index == 0 && count == 1 ? first : table[index]
  }
}

// Its pointer leads to segments, which are values, and lives no longer than what was lent.
extension ChainSegments: @unchecked Sendable {}

extension ChainSegments {
  /// The segments of a chain that a device queue of your own has fetched.
  ///
  /// Each must lie in what the devices see of `memory`, as ``DMATranslator/segments(at:byteCount:for:in:)`` returns it.
  @_lifetime(copy segments, borrow memory)
  public init(_ segments: Span<TranslatedSegment>, in memory: borrowing GuestMemory) {
    for i in segments.indices {
      let (host, count) = (segments[i].host, UInt64(segments[i].byteCount))
      precondition(memory.deviceTable.contains(host, byteCount: count), "a segment lies outside of the shared memory")
    }
    self.init(segments)
  }
}

extension ChainSegments {
  /// Copies bytes into the device-writable segments, in the chain's order, as many as fit.
  ///
  /// - Returns: how many were copied: what a device's body returns.
  public func copyIn(_ source: [UInt8]) -> UInt32 {
    var done = 0
    for i in indices where self[i].access == .deviceWritable && done < source.count {
      let count = min(self[i].byteCount, source.count - done)
      // SAFETY: a segment lent for the call; neither range is longer than its owner.
      unsafe source.withUnsafeBytes {
        unsafe self[i].bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[done..<done + count]))
      }
      done += count
    }
    return UInt32(done)
  }

  /// A copy of the device-readable bytes, in the chain's order; allocates.
  public func copyOut() -> [UInt8] {
    var all: [UInt8] = []
    for i in indices where self[i].access == .deviceReadable { unsafe all.append(contentsOf: self[i].bytes) }
    return all
  }
}

/// A segment of a buffer as the device sees it in its own address space.
///
/// The bytes belong to the device from ``DeviceQueue/next()`` until the chain is completed and published. They are
/// shared memory: a hostile driver may change them at any time, so parse a copy.
@frozen @safe
public struct TranslatedSegment: Sendable, BitwiseCopyable {
  /// The address it has for the device, as the driver wrote it.
  public let address: IOVA
  /// Where it is mapped here.
  public let host: HostAddress
  /// Never more than one descriptor's length; 32 bits keep a segment with its address at 24 bytes.
  @usableFromInline let length: UInt32
  /// Whether the device may read or write it.
  public let access: DMADirection

  @inlinable
  init(_ address: IOVA, host: HostAddress, length: UInt32, access: DMADirection) {
    self.address = address
    self.host = host
    self.length = length
    self.access = access
  }

  /// Its size in bytes.
  @inlinable
  public var byteCount: Int { Int(length) }

  /// The bytes; write to them only when ``access`` is device-writable.
  @unsafe @inlinable
  public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: host.pointer, count: byteCount)
  }
}

extension TranslatedSegment {
  /// Stands for the first segment of a chain that has no bytes at all.
  @inlinable
  static var empty: TranslatedSegment {
    unsafe TranslatedSegment(IOVA(0), host: HostAddress(rawValue: 16), length: 0, access: .deviceReadable)
  }
}
