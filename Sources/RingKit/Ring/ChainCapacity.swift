/// Bytes a device may write into a chain, saturating at 2^32 - 1: what a used length is held against.
///
/// - Throws: ``QueueError/chainTooLarge(byteCount:)`` when the chain as a whole exceeds 2^32 bytes (S4).
@inlinable
func chainCapacity(
  _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>
) throws(QueueError) -> UInt32 {
  var total: UInt64 = 0
  for i in readable.indices { total &+= UInt64(readable[i].length) }
  var capacity: UInt64 = 0
  for i in writable.indices { capacity &+= UInt64(writable[i].length) }
  total &+= capacity
  if total > 1 << 32 { throw .chainTooLarge(byteCount: total) }
  return UInt32(clamping: capacity)
}
