internal import RingKit

/// A request as its driver remembers it, out of the device's reach, until it comes back.
struct BlockSubmission {
  let operation: BlockOperation
  let sector: UInt64
  let data: MemorySegment?
  let token: UInt64

  /// Bytes of data that the device may write.
  var writableByteCount: UInt32 { operation == .write ? 0 : data?.length ?? 0 }
}
