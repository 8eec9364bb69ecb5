public import RingKit

/// Frames that were sent and not received yet, in the order they came, in memory that is allocated with the first.
struct FrameQueue {
  /// Bytes of the longest frame that is kept.
  static let mostBytes = 16_384

  private var bytes: [UInt8]
  private var lengths: [Int]
  private var head = 0
  private var tail = 0

  /// An empty one that keeps a power of two of frames.
  init(capacity: Int) {
    bytes = []
    lengths = [Int](repeating: 0, count: capacity)
  }

  var isEmpty: Bool { head == tail }
  var isFull: Bool { tail &- head == lengths.count }

  /// Bytes of the oldest frame.
  var firstCount: Int { lengths[head & (lengths.count - 1)] }

  /// Enters a frame; there is room for it.
  mutating func append(_ part: ChainBytes, _ range: Range<Int>) {
    // A pair that no driver uses takes no memory.
    if bytes.isEmpty { bytes = [UInt8](repeating: 0, count: Self.mostBytes * lengths.count) }
    let slot = tail & (lengths.count - 1)
    var place = slot * Self.mostBytes
    unsafe part.forEach(range) { from in
      unsafe bytes.withUnsafeMutableBytes { to in
        unsafe UnsafeMutableRawBufferPointer(rebasing: to[place..<(place + from.count)])
          .copyMemory(from: UnsafeRawBufferPointer(from))
      }
      place += from.count
    }
    lengths[slot] = range.count
    tail &+= 1
  }

  /// Copies a part of the oldest frame to a chain.
  func copy(_ range: Range<Int>, to part: ChainBytes, at place: Int) {
    let start = (head & (lengths.count - 1)) * Self.mostBytes + range.lowerBound
    var done = 0
    unsafe part.forEach(place..<(place + range.count)) { to in
      unsafe bytes.withUnsafeBytes { from in
        let part = unsafe from[(start + done)..<(start + done + to.count)]
        unsafe to.copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
      }
      done += to.count
    }
  }

  /// Drops all frames.
  mutating func removeAll() { head = tail }

  /// Drops the oldest frame.
  mutating func removeFirst() { head &+= 1 }
}

/// A receive buffer that was fetched and waits for the others that its frame needs.
struct HeldBuffer {
  let chain: DeviceChain
  let bytes: ChainBytes

  init(_ chain: DeviceChain, _ segments: [TranslatedSegment]) {
    self.chain = chain
    bytes = ChainBytes(segments, .deviceWritable, count: chain.writableByteCount)
  }
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
