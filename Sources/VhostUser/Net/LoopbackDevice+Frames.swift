internal import RingKit

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
      while held[pair].reduce(0, { $0 + $1.bytes.count }) < needed {
        if !isMergeable && !held[pair].isEmpty { break }
        guard let chain = try fetch(&queue) else { return .empty }
        guard chain.writableByteCount >= UInt64(headerByteCount) else {
          throw .device("a buffer of \(chain.writableByteCount) bytes; a header alone is \(headerByteCount)")
        }
        held[pair].append(HeldBuffer(chain, queue.segments))
      }
      completed += fill(&queue, pair: pair)
    }
    return .more
  }

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
