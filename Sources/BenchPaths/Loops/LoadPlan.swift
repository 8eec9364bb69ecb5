import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// What both ends do with each buffer of one case.
package struct LoadPlan: Sendable {
  var direction: DMADirection
  var bytes: Int
  var depth: Int
  var batch: Int
  var touch: PayloadTouch
  /// Segments each buffer is cut into, at most ``mostSegments``.
  var segments: Int
  /// Buffers outstanding at most, each with memory of its own.
  var payload: PayloadPool
  /// Whether each publish looks at what the other side wants to be told; ends that only ever poll need not.
  var looksAtEvents = true
  /// Both ends sleep when there is nothing to do and wake each other; `nil`: both poll.
  var doorbells: Doorbells?

  package init(
    direction: DMADirection, bytes: Int, depth: Int, batch: Int, touch: PayloadTouch, segments: Int,
    payload: PayloadPool, looksAtEvents: Bool = true, doorbells: Doorbells? = nil
  ) {
    self.direction = direction
    self.bytes = bytes
    self.depth = depth
    self.batch = batch
    self.touch = touch
    self.segments = segments
    self.payload = payload
    self.looksAtEvents = looksAtEvents
    self.doorbells = doorbells
  }

  var transfer: Transfer {
    // Not `==`: for an enum of another module that is not @frozen that is a call.
    let isTouched =
      switch touch {
      case .full: true
      case .none: false
      }
    return Transfer(direction: direction, bytes: bytes, batch: batch, isTouched: isTouched)
  }

  package static let mostSegments = 16
}

/// What is done with each buffer: values alone, so that loops hand it on without retaining what a plan refers to.
struct Transfer {
  let direction: DMADirection
  let bytes: Int
  let batch: Int
  /// The producer writes every byte and the consumer checks it.
  let isTouched: Bool
}

/// The two eventfds of a queue whose ends sleep.
package struct Doorbells: Sendable {
  /// Rung by the driver: buffers are available.
  let kick: EventDoorbell
  /// Rung by the device: buffers are used.
  let call: EventDoorbell

  init() throws(BenchError) {
    do throws(MemoryError) {
      kick = try EventDoorbell()
      call = try EventDoorbell()
    } catch {
      throw .machine("no eventfd: \(error)")
    }
  }
}

/// The payloads a driver passes round: one buffer per slot of the ring, laid out as a kernel's slab would.
package struct PayloadPool: Sendable {
  let buffer: GuestBuffer
  let stride: Int
  let bytes: Int

  /// The stride of so many buffers spread over `span` bytes: pages apart, an odd number of them where that is possible.
  ///
  /// Each begins one buffer further in its page than the one before, so that they do not share sets of a cache.
  static func stride(for bytes: Int, over span: Int, count: Int) -> Int {
    let pages = span / count / 4096
    precondition(pages >= 2 && bytes <= 4096, "spread buffers have two pages each and take one")
    return (pages - 1) * 4096 + (bytes <= 2048 ? Payload.stride(for: bytes) : 0)
  }

  private let hostBase: HostAddress
  private let guestBase: UInt64

  /// Slots from `first` on, for a queue that shares the buffer with others.
  package init(_ buffer: GuestBuffer, bytes: Int, first: Int = 0, stride: Int? = nil) {
    self.buffer = buffer
    self.bytes = bytes
    let stride = stride ?? Payload.stride(for: bytes)
    self.stride = stride
    hostBase = unsafe buffer.host.advanced(by: first * stride)
    guestBase = buffer.address.rawValue + UInt64(first * stride)
  }

  package func segment(_ index: Int) -> MemorySegment {
    MemorySegment(
      GuestPhysicalAddress(guestBase &+ UInt64(index &* stride)), length: UInt32(truncatingIfNeeded: bytes))
  }

  /// The buffers from a slot on, round and round.
  func cursor(at slot: Int, of depth: Int) -> PayloadCursor {
    PayloadCursor(
      guest: guestBase, host: hostBase, stride: stride, length: UInt32(truncatingIfNeeded: bytes),
      offset: slot &* stride, end: depth &* stride)
  }

  func host(_ index: Int) -> HostAddress { unsafe hostBase.advanced(by: index &* stride) }
}

/// Where a driver's loop is in its payloads: an offset counted along, because a multiplication per buffer would be
/// measured.
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
  var host: HostAddress { unsafe hostBase.advanced(by: offset) }

  /// The next buffer.
  @inline(__always)
  mutating func take() -> MemorySegment {
    let segment = MemorySegment(GuestPhysicalAddress(guest &+ UInt64(truncatingIfNeeded: offset)), length: length)
    offset &+= stride
    if offset == end { offset = 0 }
    return segment
  }
}
