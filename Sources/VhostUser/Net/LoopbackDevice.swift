internal import CRing
public import RingKit

/// A network device (virtio 1.2, 5.1) that returns every frame to the pair of queues it was sent on.
///
/// Not a switch: it makes a driver's both ends work, and checks them against each other. Frames wait in memory of its
/// own until there are buffers for them; while that is full no more are taken. One thread's.
public final class LoopbackDevice: VhostUserDevice {
  /// Pairs of a receive queue and a transmit queue.
  public let pairCount: Int
  /// Frames that were returned.
  public internal(set) var returned: UInt64 = 0
  /// Frames that were too long to keep, or for which the driver gave too little to receive into.
  ///
  /// Without mergeable buffers that is one buffer that is too short. With them it is a ring that is full of buffers, or
  /// buffers that nothing was added to for half a second.
  public internal(set) var dropped: UInt64 = 0

  var frames: [FrameQueue]
  /// Buffers that were fetched for a frame for which they do not suffice yet.
  var held: [[HeldBuffer]]
  /// When the last of them was fetched.
  private var heldSince: [UInt64]
  var headerByteCount = 12
  var isMergeable = false

  /// A device of some pairs of queues.
  ///
  /// - Parameters:
  ///   - pairCount: how many, 1 to 128.
  ///   - frameCapacity: frames of up to 16 KiB that each pair keeps while there are no buffers for them, a power of
  ///     two.
  public init(pairCount: Int = 1, frameCapacity: Int = 256) {
    precondition((1...128).contains(pairCount), "a network device has 1 to 128 pairs of queues")
    precondition(frameCapacity > 0 && frameCapacity.nonzeroBitCount == 1, "frames are kept in a power of two of places")
    self.pairCount = pairCount
    frames = (0..<pairCount).map { _ in FrameQueue(capacity: frameCapacity) }
    held = (0..<pairCount).map { _ in [] }
    heldSince = Array(repeating: 0, count: pairCount)
  }

  /// What this device offers.
  public var deviceFeatures: VirtioFeatures {
    pairCount > 1
      ? [LoopbackFeatures.mergeableBuffers, LoopbackFeatures.severalQueuePairs]
      : LoopbackFeatures.mergeableBuffers
  }

  /// Two for each pair: receive, then transmit.
  public var queueCount: Int { 2 * pairCount }

  /// None: address, status and queue pairs of a network device are the front-end's to tell.
  public var configuration: [UInt8] { [] }

  /// Notes how long a header is.
  public func configure(_ features: VirtioFeatures) {
    isMergeable = features.contains(LoopbackFeatures.mergeableBuffers)
    // The number of buffers is there with VERSION_1 or mergeable buffers (virtio 1.2, 5.1.6.1).
    headerByteCount = isMergeable || features.contains(.version1) ? 12 : 10
  }

  /// Takes frames from a transmit queue, or returns them through a receive queue.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    index & 1 == 1
      ? try transmit(&queue, pair: index >> 1, limit: limit) : try receive(&queue, pair: index >> 1, limit: limit)
  }

  /// The other queue of the pair.
  public func partner(of index: Int) -> Int? { index ^ 1 }

  /// Buffers of a frame that was not complete are fetched again.
  public func forget(index: Int) { if index & 1 == 0 { held[index >> 1] = [] } }

  /// Takes frames that are sent, and drops them; nothing is received.
  public func discard(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    if index & 1 == 0 { return .idle }
    for _ in 0..<limit {
      guard let chain = try fetch(&queue) else { return .empty }
      queue.complete(chain, written: 0)
      dropped += 1
    }
    return .more
  }

  /// Drops all frames and forgets all buffers.
  public func reset() {
    for pair in 0..<pairCount {
      frames[pair].removeAll()
      held[pair] = []
    }
    (isMergeable, headerByteCount) = (false, 12)
  }
}

extension LoopbackDevice {
  /// Takes frames until there is no room for more.
  func transmit(_ queue: inout VringQueue, pair: Int, limit: Int) throws(VringFailure) -> VringProgress {
    for _ in 0..<limit {
      if frames[pair].isFull { return .idle }
      guard let chain = try fetch(&queue) else { return .empty }
      guard chain.readableByteCount >= UInt64(headerByteCount) else {
        throw .device("a frame of \(chain.readableByteCount) bytes with its header; that alone is \(headerByteCount)")
      }
      let bytes = ChainBytes(queue.segments, .deviceReadable, count: chain.readableByteCount)
      let frame = headerByteCount..<bytes.count
      if frame.count <= FrameQueue.mostBytes { frames[pair].append(bytes, frame) } else { dropped += 1 }
      queue.complete(chain, written: 0)
    }
    return .more
  }

  /// Returns frames as long as there are buffers: each gets as many as it needs, or with buffers that may not be merged
  /// one.
  func receive(_ queue: inout VringQueue, pair: Int, limit: Int) throws(VringFailure) -> VringProgress {
    var completed = 0
    while completed < limit {
      if frames[pair].isEmpty { return .idle }
      let needed = frames[pair].firstCount + headerByteCount
      var room = held[pair].reduce(0) { $0 + $1.bytes.count }
      while room < needed, isMergeable || held[pair].isEmpty {
        guard let chain = try fetch(&queue) else {
          guard isStarved(queue, pair: pair) else { return .empty }
          // Nothing that the driver does would bring this frame to it; the next may be shorter.
          frames[pair].removeFirst()
          dropped += 1
          break
        }
        guard chain.writableByteCount >= UInt64(headerByteCount) else {
          throw .device("a buffer of \(chain.writableByteCount) bytes; a header alone is \(headerByteCount)")
        }
        let buffer = HeldBuffer(chain, queue.segments)
        room += buffer.bytes.count
        held[pair].append(buffer)
        heldSince[pair] = cring_nanoseconds()
      }
      if room >= needed || !isMergeable { completed += fill(&queue, pair: pair) }
    }
    return .more
  }

  /// Whether more buffers than are held cannot come, or do not come.
  private func isStarved(_ queue: borrowing VringQueue, pair: Int) -> Bool {
    if held[pair].isEmpty { return false }
    let descriptors = held[pair].reduce(0) { $0 + Int($1.chain.descriptorCount) }
    return descriptors >= queue.size || cring_nanoseconds() - heldSince[pair] > Self.patience
  }

  /// Nanoseconds that a frame waits for a driver that gives some of the buffers it needs.
  private static var patience: UInt64 { 500_000_000 }

  /// Writes the oldest frame to the buffers that are held, and completes them.
  private func fill(_ queue: inout VringQueue, pair: Int) -> Int {
    let buffers = held[pair]
    held[pair] = []
    let byteCount = frames[pair].firstCount
    let room = buffers.reduce(-headerByteCount) { $0 + $1.bytes.count }
    var header = [UInt8](repeating: 0, count: headerByteCount)
    if headerByteCount == 12 {
      header[10] = UInt8(truncatingIfNeeded: buffers.count)
      header[11] = UInt8(truncatingIfNeeded: buffers.count >> 8)
    }
    let isKept = room >= byteCount
    var done = 0
    for (i, buffer) in buffers.enumerated() {
      let start = i == 0 ? headerByteCount : 0
      if i == 0 { buffer.bytes.store(header, at: 0) }
      let count = isKept ? min(byteCount - done, buffer.bytes.count - start) : 0
      frames[pair].copy(done..<(done + count), to: buffer.bytes, at: start)
      done += count
      queue.complete(buffer.chain, written: UInt32(clamping: start + count))
      // A driver that was told how many buffers a frame takes may look for the entry of each (DPDK does).
      queue.endBatch()
    }
    // A buffer that is too short comes back with a header alone: there is no way to give it back unused.
    if isKept { returned += 1 } else { dropped += 1 }
    frames[pair].removeFirst()
    return buffers.count
  }

  private func fetch(_ queue: inout VringQueue) throws(VringFailure) -> DeviceChain? {
    do throws(QueueError) { return try queue.next() } catch { throw .queue(error) }
  }
}

/// Feature bits of a network device (virtio 1.2, 5.1).
enum LoopbackFeatures {
  static let mergeableBuffers = VirtioFeatures(rawValue: 1 << 15)
  static let severalQueuePairs = VirtioFeatures(rawValue: 1 << 22)
}
