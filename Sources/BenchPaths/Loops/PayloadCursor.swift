import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// Where a driver's loop is in its payloads: an offset counted along, because a multiplication per buffer would be measured.
package struct PayloadCursor {
  package let guest: UInt64
  package let hostBase: HostAddress
  package let stride: Int
  package let length: UInt32
  private var offset: Int
  private let end: Int

  package init(guest: UInt64, host: HostAddress, stride: Int, length: UInt32, offset: Int, end: Int) {
    self.guest = guest
    hostBase = host
    self.stride = stride
    self.length = length
    self.offset = offset
    self.end = end
  }

  /// Where the next buffer is mapped here.
  package var host: HostAddress { hostBase.advanced(by: offset) }

  /// The next buffer.
  @inline(__always)
  package mutating func take() -> MemorySegment {
    let segment = MemorySegment(GuestPhysicalAddress(guest &+ UInt64(truncatingIfNeeded: offset)), length: length)
    offset &+= stride
    if offset == end { offset = 0 }
    return segment
  }
}
