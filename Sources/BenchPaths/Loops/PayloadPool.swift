import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The payloads a driver passes round: one buffer per place in the ring, laid out as a kernel's slab would.
///
/// Below a page the stride is a power of two, so that no buffer straddles a page; from a page on, whole pages.
package struct PayloadPool: Sendable {
  package let buffer: GuestBuffer
  package let stride: Int
  package let bytes: Int

  package static func stride(for bytes: Int) -> Int {
    if bytes >= 4096 { return (bytes + 4095) & ~4095 }
    var stride = 64
    while stride < bytes { stride *= 2 }
    return stride
  }

  private let hostBase: HostAddress
  private let guestBase: UInt64

  /// Places from `first` on, for a queue that shares the buffer with others.
  package init(_ buffer: GuestBuffer, bytes: Int, first: Int = 0) {
    self.buffer = buffer
    self.bytes = bytes
    stride = Self.stride(for: bytes)
    hostBase = buffer.host.advanced(by: first * stride)
    guestBase = buffer.address.rawValue + UInt64(first * stride)
  }

  package func segment(_ index: Int) -> MemorySegment {
    MemorySegment(
      GuestPhysicalAddress(guestBase &+ UInt64(index &* stride)), length: UInt32(truncatingIfNeeded: bytes))
  }

  /// The buffers from a place on, round and round.
  package func cursor(at place: Int, of depth: Int) -> PayloadCursor {
    PayloadCursor(
      guest: guestBase, host: hostBase, stride: stride, length: UInt32(truncatingIfNeeded: bytes),
      offset: place &* stride, end: depth &* stride)
  }

  package func host(_ index: Int) -> HostAddress { hostBase.advanced(by: index &* stride) }
}
