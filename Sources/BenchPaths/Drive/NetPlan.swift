import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a network device's load is.
package struct NetPlan: Sendable {
  package let requests: Int
  package let bytes: Int
  package let depth: Int
  /// Whether header and frame are two segments of a table.
  package let isIndirect: Bool
  package let received: NetFrames
  package let sent: NetFrames

  /// In two segments where there are tables for them, as Linux does it, and in one where there are not.
  ///
  /// - Returns: false when the ring is full.
  package func add<Queue: DriverQueue & ~Copyable>(
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
