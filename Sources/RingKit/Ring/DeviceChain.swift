/// A buffer the driver made available, as the device holds it until it is completed.
@frozen
public struct DeviceChain: Sendable, BitwiseCopyable {
  /// Split: the head descriptor's index.
  ///
  /// Packed: the buffer id.
  public let id: UInt16
  /// Descriptors of the ring it occupies (1 for an indirect table).
  public let descriptorCount: UInt16
  /// Stretches of memory it is made of, contiguous ones joined.
  public let segmentCount: Int
  /// Bytes the device may read.
  public let readableByteCount: UInt64
  /// Bytes the device may write.
  public let writableByteCount: UInt64
  /// The first stretch; the only one of most buffers.
  public let first: TranslatedSegment

  /// A chain of one descriptor and one stretch.
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
