import RingKit
import VhostUser

/// What a network device's load is.
struct NetPlan: Sendable {
  let requests: Int
  let bytes: Int
  let depth: Int
  /// Whether header and frame are two segments of a table.
  let isIndirect: Bool
  let received: NetFrames
  let sent: NetFrames

  /// In two segments where there are tables for them, as Linux does it, and in one where there are not.
  ///
  /// - Returns: false when the ring is full.
  func add<Queue: DriverQueue & ~Copyable>(
    _ queue: inout Queue, _ whole: MemorySegment, _ direction: DMADirection, _ token: UInt64
  ) throws(QueueError) -> Bool {
    guard isIndirect else { return try queue.add(whole, direction, token: token) == .added }
    let header = UInt32(NetHeader.byteCount)
    let parts: InlineArray<2, MemorySegment> = [
      MemorySegment(whole.address, length: header),
      MemorySegment(
        GuestPhysicalAddress(whole.address.rawValue &+ UInt64(header)), length: whole.length &- header),
    ]
    let none = parts.span.extracting(first: 0)
    let result =
      direction == .deviceReadable
      ? try queue.add(readable: parts.span, writable: none, token: token)
      : try queue.add(readable: none, writable: parts.span, token: token)
    return result == .added
  }
}
