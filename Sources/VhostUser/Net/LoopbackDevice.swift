public import RingKit

/// A network device (virtio 1.2, 5.1) that returns every frame to the pair of queues it was sent on.
///
/// Not a switch: it makes a driver's both ends work, and checks them against each other. Frames wait in memory of its
/// own until there are buffers for them; while that is full no more are taken. One thread's, or with a server of
/// several threads each pair of queues another one's; ``returned`` and ``dropped`` are any thread's.
public final class LoopbackDevice: VhostUserDevice, @unchecked Sendable {
  // What changes is a pair's own, or changed while no queue is served.

  /// Pairs of a receive queue and a transmit queue.
  public let pairCount: Int
  /// Frames that were returned.
  public var returned: UInt64 { pairs.reduce(0) { $0 + $1.returned.count } }
  /// Frames that were too long to keep, or for which the driver gave too little to receive into.
  ///
  /// Without mergeable buffers that is one buffer that is too short. With them it is a ring that is full of buffers, or
  /// buffers that nothing was added to for half a second.
  public var dropped: UInt64 { pairs.reduce(0) { $0 + $1.dropped.count } }

  let pairs: [LoopbackPair]
  /// What the patience with a driver goes by.
  package var clock = WaitClock()
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
    precondition(frameCapacity > 0 && frameCapacity.nonzeroBitCount == 1, "frames are kept in a power of two")
    self.pairCount = pairCount
    pairs = (0..<pairCount).map { _ in LoopbackPair(frameCapacity: frameCapacity) }
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

  /// Only those of frames that are sent: DPDK's driver looks for the entry of each buffer that it receives into.
  public func sharesUsedEntries(index: Int) -> Bool { index & 1 == 1 }

  /// Notes how long a header is.
  public func configure(_ features: VirtioFeatures) {
    isMergeable = features.contains(LoopbackFeatures.mergeableBuffers)
    // The number of buffers is there with VERSION_1 or mergeable buffers (virtio 1.2, 5.1.6.1).
    headerByteCount = isMergeable || features.contains(.version1) ? 12 : 10
  }

  /// Takes frames from a transmit queue, or returns them through a receive queue.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    let pair = pairs[index >> 1]
    if index & 1 == 0 { return try receive(&queue, pair, limit: limit) }
    return queue.isPacked
      ? try transmit(PackedVring.self, &queue, pair, limit: limit)
      : try transmit(SplitVring.self, &queue, pair, limit: limit)
  }

  /// The other queue of the pair.
  public func partner(of index: Int) -> Int? { index ^ 1 }

  /// Each pair may be another thread's.
  public func group(of index: Int) -> Int { index >> 1 }

  /// Buffers of a frame that was not complete are fetched again.
  public func forget(index: Int) { if index & 1 == 0 { pairs[index >> 1].held = [] } }

  /// Takes frames that are sent, and drops them; nothing is received.
  public func discard(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    if index & 1 == 0 { return .idle }
    let before = queue.completedCount
    defer { pairs[index >> 1].dropped.add(queue.completedCount &- before) }
    return try queue.serve(atMost: limit) { _ in }
  }

  /// Drops all frames and forgets all buffers.
  public func reset() {
    for pair in pairs {
      pair.frames.removeAll()
      pair.held = []
    }
    (isMergeable, headerByteCount) = (false, 12)
  }
}

/// What a device has for one pair of queues: the thread's that serves them.
final class LoopbackPair {
  var frames: FrameQueue
  /// Buffers that were fetched for a frame for which they do not suffice yet.
  var held: [HeldBuffer] = []
  /// When the last of them was fetched.
  var heldSince: UInt64 = 0
  let returned = Tally()
  let dropped = Tally()

  init(frameCapacity: Int) { frames = FrameQueue(capacity: frameCapacity) }

  deinit { frames.deallocate() }
}

extension LoopbackDevice {
  /// Takes frames until there is no room for more.
  private func transmit<Layout: VringLayout>(
    _ layout: Layout.Type, _ queue: inout VringQueue, _ pair: LoopbackPair, limit: Int
  ) throws(VringFailure) -> VringProgress {
    // In locals: nothing of the object is touched per frame.
    var (frames, tooLong) = (pair.frames, 0 as UInt64)
    let (header, room) = (headerByteCount, frames.room)
    if room == 0 { return .idle }
    let wasEmpty = frames.count == 0
    defer {
      pair.frames = frames
      pair.dropped.add(tooLong)
      // Buffers that an earlier frame left wait for this one from now on.
      if wasEmpty && frames.count > 0 && !pair.held.isEmpty { pair.heldSince = clock.now() }
    }
    let limit = min(limit, room)
    do throws(ServeError<VringFailure>) {
      let served = try queue.serveEach(layout, atMost: limit) { buffer throws(VringFailure) in
        guard buffer.readableCount >= header else { throw Self.tooShort(buffer.readableCount, header, "a frame") }
        try buffer.skip(header)
        let count = buffer.readableCount
        if count <= FrameQueue.mostBytes {
          unsafe try buffer.read(into: frames.append(count))
        } else {
          tooLong += 1
        }
      }
      return served < limit ? .empty : .more
    } catch { throw error.failure }
  }

  /// Returns frames as long as there are buffers: each gets as many as it needs, or with buffers that may not be merged
  /// one.
  func receive(_ queue: inout VringQueue, _ pair: LoopbackPair, limit: Int) throws(VringFailure) -> VringProgress {
    var completed = 0
    while completed < limit {
      let wanted = min(limit - completed, pair.frames.count)
      if wanted == 0 { return .idle }
      if !pair.held.isEmpty {
        let count = try gather(&queue, pair)
        if count == 0 { return pair.frames.count == 0 ? .idle : .empty }
        completed += count
        continue
      }
      do throws(ServeError<Pause>) {
        let count =
          queue.isPacked
          ? try fillEach(PackedVring.self, &queue, pair, limit: wanted)
          : try fillEach(SplitVring.self, &queue, pair, limit: wanted)
        completed += count
        if count < wanted { return .empty }
      } catch {
        switch error {
        case .queue(let failure): throw .queue(failure)
        case .body(.failure(let failure)): throw failure
        case .body(.held): break
        }
      }
    }
    return .more
  }

  /// Why frames are not filled into one buffer each.
  private enum Pause: Error {
    case failure(VringFailure)
    /// A frame needs more than this buffer, which is held now.
    case held
  }

  /// Writes frames to a buffer each, as long as they fit; returns how many.
  private func fillEach<Layout: VringLayout>(
    _ layout: Layout.Type, _ queue: inout VringQueue, _ pair: LoopbackPair, limit: Int
  ) throws(ServeError<Pause>) -> Int {
    var (frames, filled, tooLong) = (pair.frames, 0 as UInt64, 0 as UInt64)
    let (header, isMergeable) = (headerByteCount, isMergeable)
    var short: HeldBuffer?
    defer {
      pair.frames = frames
      pair.returned.add(filled)
      pair.dropped.add(tooLong)
      if let short { hold(short, pair) }
    }
    return try queue.serveEach(layout, atMost: limit) { buffer throws(Pause) in
      let (frame, room) = unsafe (frames.first, buffer.writableCount &- header)
      if room < 0 { throw .failure(Self.tooShort(buffer.writableCount, header, "a buffer")) }
      if room < frame.count && isMergeable {
        short = HeldBuffer(buffer.chain, buffer.segments)
        throw .held
      }
      do throws(VringFailure) {
        // Flags of 10 bytes, then in how many buffers the frame lies, where there is room for it. A driver that sends
        // the buffers it received looks at the header that we wrote the last time, which is the same.
        try buffer.rewrite(0 as UInt64)
        if header == 12 { try buffer.rewrite(UInt32(1) << 16) } else { try buffer.rewrite(0 as UInt16) }
        if room >= frame.count {
          unsafe try buffer.write(frame)
          filled += 1
        } else {
          // It comes back with a header alone: there is no way to give it back unused.
          tooLong += 1
        }
      } catch { throw .failure(error) }
      frames.removeFirst()
    }
  }

  private func hold(_ buffer: HeldBuffer, _ pair: LoopbackPair) {
    pair.held.append(buffer)
    pair.heldSince = clock.now()
  }

  @inline(never)
  private static func tooShort(_ count: Int, _ header: Int, _ what: String) -> VringFailure {
    .device("\(what) of \(count) bytes with its header; that alone is \(header)")
  }

  /// Fetches as many buffers more as the oldest frame needs, and fills them.
  ///
  /// Returns how many were completed; 0 when there are not enough yet.
  private func gather(_ queue: inout VringQueue, _ pair: LoopbackPair) throws(VringFailure) -> Int {
    var room = pair.held.reduce(0) { $0 + $1.count }
    while pair.frames.count > 0 {
      if unsafe room >= pair.frames.first.count + headerByteCount { return fill(&queue, pair) }
      if let chain = try fetch(&queue) {
        let count = Int(chain.writableByteCount)
        guard count >= headerByteCount else { throw Self.tooShort(count, headerByteCount, "a buffer") }
        room += count
        hold(HeldBuffer(chain, queue.segments), pair)
      } else if isStarved(queue, pair) {
        // Nothing that the driver does would bring this frame to it; the next may be shorter.
        pair.frames.removeFirst()
        pair.dropped.add(1)
        queue.hasMadeRoom = true
      } else {
        return 0
      }
    }
    return 0
  }

  /// Whether more buffers than are held cannot come, or do not come.
  private func isStarved(_ queue: borrowing VringQueue, _ pair: LoopbackPair) -> Bool {
    guard let waited = heldNanoseconds(pair) else { return false }
    let descriptors = pair.held.reduce(0) { $0 + Int($1.chain.descriptorCount) }
    return descriptors >= queue.size || waited > Self.patience
  }

  /// How long buffers have been held that do not suffice for their frame; `nil` when none are held.
  package func heldNanoseconds(pair: Int) -> UInt64? { heldNanoseconds(pairs[pair]) }

  private func heldNanoseconds(_ pair: LoopbackPair) -> UInt64? {
    pair.held.isEmpty ? nil : clock.now() &- pair.heldSince
  }

  /// Nanoseconds that a frame waits for a driver that gives some of the buffers it needs.
  package static var patience: UInt64 { 500_000_000 }

  /// Writes the oldest frame to as many of the buffers that are held as it needs, and completes them; they suffice.
  private func fill(_ queue: inout VringQueue, _ pair: LoopbackPair) -> Int {
    let frame = unsafe pair.frames.first
    var (needed, room) = (0, 0)
    while room < frame.count + headerByteCount {
      room += pair.held[needed].count
      needed += 1
    }
    // Flags of 10 bytes, then in how many buffers the frame lies.
    var header: (UInt64, UInt32) = (0, UInt32(UInt16(truncatingIfNeeded: needed).littleEndian) << 16)
    var done = 0
    for i in 0..<needed {
      let start = i == 0 ? headerByteCount : 0
      let buffer = pair.held[i]
      var bytes = buffer.bytes
      if i == 0 {
        unsafe withUnsafeBytes(of: &header) {
          unsafe bytes.store(UnsafeRawBufferPointer(rebasing: $0[..<start]), buffer.segments.span)
        }
      }
      let count = min(frame.count - done, buffer.count - start)
      unsafe bytes.store(UnsafeRawBufferPointer(rebasing: frame[done..<(done + count)]), buffer.segments.span)
      done += count
      queue.complete(buffer.chain, written: UInt32(clamping: start + count))
    }
    // More are held where a longer frame was dropped: they are the next frame's, which waits from now on.
    pair.held.removeFirst(needed)
    if !pair.held.isEmpty { pair.heldSince = clock.now() }
    pair.returned.add(1)
    pair.frames.removeFirst()
    return needed
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
