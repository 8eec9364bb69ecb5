public import RingKit

/// Frames that were sent and not received yet, in the order they came.
///
/// They lie one behind the other in memory that the owner frees. A value of pointers and indices, so that a loop keeps
/// it in registers: only one copy may be used at a time.
@safe
struct FrameQueue: BitwiseCopyable {
  /// Bytes of the longest frame that is kept.
  static let mostBytes = 16_384

  /// Where a frame lies.
  private struct Entry: BitwiseCopyable {
    var offset: Int
    var count: Int
  }

  private let capacity: Int
  private let entries: UnsafeMutablePointer<Entry>
  /// Allocated with the first frame: a pair that no driver uses takes next to no memory.
  private var bytes: UnsafeMutableRawPointer?
  /// Frames removed, and frames entered.
  private var head = 0
  private var tail = 0
  /// Behind the newest frame.
  private var next = 0

  /// An empty one that keeps a power of two of frames.
  init(capacity: Int) {
    self.capacity = capacity
    unsafe entries = .allocate(capacity: capacity)
    unsafe entries.initialize(repeating: Entry(offset: 0, count: 0), count: capacity)
  }

  /// Frees the memory; no copy may be used after that.
  func deallocate() {
    unsafe bytes?.deallocate()
    unsafe entries.deallocate()
  }

  /// One more than its frames need, because none wraps around the end.
  private var byteCount: Int { Self.mostBytes &* (capacity &+ 1) }

  /// Frames that are kept.
  var count: Int { tail &- head }

  /// Frames of any length up to the longest for which there is room.
  var room: Int {
    if head == tail { return capacity }
    let oldest = oldest.offset
    let fitting =
      next <= oldest
      ? (oldest &- next) / Self.mostBytes : (byteCount &- next) / Self.mostBytes &+ oldest / Self.mostBytes
    return min(capacity &- count, fitting)
  }

  /// Enters a frame of `count` bytes, no more than the longest, and lends its memory to be written; there is room.
  @inline(__always)
  mutating func append(_ count: Int) -> UnsafeMutableRawBufferPointer {
    let base = unsafe bytes ?? allocate()
    // The memory that was written last is the warmest.
    if head == tail { next = 0 }
    if byteCount &- next < Self.mostBytes { next = 0 }
    // SAFETY: the longest frame fits behind `next`, which ``room`` saw to; the index is masked.
    let frame = unsafe UnsafeMutableRawBufferPointer(start: base.advanced(by: next), count: count)
    unsafe entries[tail & (capacity &- 1)] = Entry(offset: next, count: count)
    // Each begins on a line of its own.
    next &+= (count &+ 63) & ~63
    tail &+= 1
    return unsafe frame
  }

  @inline(never)
  private mutating func allocate() -> UnsafeMutableRawPointer {
    let made = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    unsafe bytes = made
    return unsafe made
  }

  private var oldest: Entry {
    // SAFETY: the index is masked, and every entry is initialised.
    unsafe entries[head & (capacity &- 1)]
  }

  /// The oldest frame; empty when there is none.
  var first: UnsafeRawBufferPointer {
    guard count > 0, let bytes = unsafe bytes else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
    // SAFETY: the entry was made by ``append(_:)``, within the memory.
    return unsafe UnsafeRawBufferPointer(start: bytes.advanced(by: oldest.offset), count: oldest.count)
  }

  /// Drops all frames.
  mutating func removeAll() { head = tail }

  /// Drops the oldest frame.
  mutating func removeFirst() { head &+= 1 }
}

/// A receive buffer that was fetched and waits for the others that its frame needs.
struct HeldBuffer {
  let chain: DeviceChain
  let segments: [TranslatedSegment]
  var bytes: ChainCursor

  init(_ chain: DeviceChain, _ segments: Span<TranslatedSegment>) {
    self.chain = chain
    self.segments = Array(segments)
    bytes = ChainCursor(chain, .deviceWritable)
  }

  /// Bytes that it takes.
  var count: Int { Int(chain.writableByteCount) }
}

/// The header in front of each frame (virtio 1.2, 5.1.6) of a device without offloads.
public enum NetHeader {
  /// Its size with VERSION_1, which brings `num_buffers` with it.
  public static let byteCount = 12

  /// Writes one that asks for nothing, as a driver sends it.
  public static func clear(_ host: HostAddress) {
    let cells = unsafe SharedMemory(host, byteCount: byteCount)
    for offset in [0, 4, 8] { cells.store32(0, offset) }
  }

  /// In how many buffers a received frame lies: 1 without MRG_RXBUF.
  public static func bufferCount(_ host: HostAddress) -> UInt16 {
    unsafe SharedMemory(host, byteCount: byteCount).load16(10)
  }
}
