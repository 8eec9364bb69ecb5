import RingKit

/// Where a driver's loop is in its payloads: an offset counted along, because a multiplication per buffer would be measured.
struct PayloadCursor {
  let guest: UInt64
  let hostBase: HostAddress
  let stride: Int
  let length: UInt32
  private var offset: Int
  private let end: Int

  init(guest: UInt64, host: HostAddress, stride: Int, length: UInt32, offset: Int, end: Int) {
    self.guest = guest
    hostBase = host
    self.stride = stride
    self.length = length
    self.offset = offset
    self.end = end
  }

  /// Where the next buffer is mapped here.
  var host: HostAddress { hostBase.advanced(by: offset) }

  /// The next buffer.
  @inline(__always)
  mutating func take() -> MemorySegment {
    let segment = MemorySegment(GuestPhysicalAddress(guest &+ UInt64(truncatingIfNeeded: offset)), length: length)
    offset &+= stride
    if offset == end { offset = 0 }
    return segment
  }
}
