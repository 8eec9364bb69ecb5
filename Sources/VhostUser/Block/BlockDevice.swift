internal import Glibc
public import RingKit
internal import Synchronization

/// A disk (virtio 1.2, 5.2) over a file: reads, writes, flushes, tells its name, discards and writes zeros.
///
/// One thread's, or with a server of several threads each queue another one's; ``done``, ``failed`` and
/// ``takeErrors()`` are any thread's. A buffer is completed when its request is done. A request that is larger than
/// what one call may take goes on in the next one. A driver that did not accept FLUSH cannot ask for its writes to be
/// made stable: they are, before they are completed, with one system call for all those of one call (virtio 1.2,
/// 5.2.6.2).
@safe
public final class BlockDevice: VhostUserDevice, @unchecked Sendable {
  // What changes is a queue's own, or changed while none is served, or behind a lock.
  let image: BlockImage
  let options: BlockOptions
  private let queues: [BlockQueue]
  /// Queues that run: the lock of an image that is handed over is theirs.
  private var running: Set<Int> = []
  /// Entries of each queue, once it is known.
  private var sizes: [Int?]
  private var hasIndirect = false
  /// FLUSH was offered and is not accepted.
  var isWriteThrough = true
  /// What went wrong with the image: since it was asked for, and at all.
  private let errors = Mutex<(new: [BlockImageError], noted: [BlockImageError])>(([], []))

  /// What one call may take; small ones make tests short.
  package var stepByteCount = 4 << 20
  package var stepNanoseconds: UInt64 = 4_000_000
  /// What the time of a step goes by.
  package var clock = WaitClock()

  /// A disk over a file or a block device, whole sectors of it.
  ///
  /// - Throws: ``BlockImageError`` when it cannot be opened that way, is no disk, is not whole blocks, or another user
  ///   has it.
  public init(path: String, options: BlockOptions = BlockOptions()) throws(BlockImageError) {
    precondition((1...256).contains(options.queueCount), "a disk has 1 to 256 queues")
    precondition(options.blockSize >= 512 && options.blockSize % 512 == 0, "a block is whole sectors of 512 bytes")
    image = try BlockImage(path: path, isReadOnly: options.isReadOnly, isLocked: !options.isHandedOver)
    self.options = options
    queues = (0..<options.queueCount).map { _ in BlockQueue() }
    sizes = Array(repeating: nil, count: options.queueCount)
    guard capacity > 0, image.byteCount >= UInt64(options.blockSize) else {
      throw .tooSmall(byteCount: image.byteCount, blockByteCount: options.blockSize)
    }
    guard capacity * BlockFeatures.sectorBytes % UInt64(options.blockSize) == 0 else {
      throw .partialBlock(byteCount: image.byteCount, blockByteCount: options.blockSize)
    }
  }

  /// Requests that were done.
  public var done: UInt64 { queues.reduce(0) { $0 + $1.done.count } }
  /// Requests that failed or made no sense.
  public var failed: UInt64 { queues.reduce(0) { $0 + $1.failed.count } }

  /// Sectors of 512 bytes.
  public var capacity: UInt64 { image.byteCount / BlockFeatures.sectorBytes }

  /// What this disk offers.
  public var deviceFeatures: VirtioFeatures {
    var features: VirtioFeatures = [BlockFeatures.segmentsMax, BlockFeatures.blockSize, BlockFeatures.flush]
    if options.queueCount > 1 { features.insert(BlockFeatures.severalQueues) }
    if options.isReadOnly {
      features.insert(BlockFeatures.readOnly)
    } else {
      features.insert(BlockFeatures.writeZeroes)
      if image.canDiscard { features.insert(BlockFeatures.discard) }
    }
    return features
  }

  /// How many queues it has.
  public var queueCount: Int { options.queueCount }

  /// `struct virtio_blk_config`.
  public var configuration: [UInt8] {
    var writer = PayloadWriter()
    writer.append(capacity)
    writer.append(UInt32(0))
    writer.append(mostSegments)
    // Geometry: none.
    writer.pad(4)
    writer.append(options.blockSize)
    // Topology, and the write cache that cannot be switched.
    writer.pad(10)
    writer.append(UInt16(options.queueCount))
    for limit in [Self.mostRangeSectors, Self.mostRanges, 1, Self.mostRangeSectors, Self.mostRanges] {
      writer.append(limit)
    }
    // Writing zeros may unmap.
    writer.append(UInt8(1))
    writer.pad(3)
    return writer.bytes
  }

  static var mostRanges: UInt32 { 16 }
  static var mostRangeSectors: UInt32 { 1 << 22 }

  /// Segments of data that a driver is told: with header and status they fit in its rings, where it has no tables.
  private var mostSegments: UInt32 {
    guard !hasIndirect, let size = sizes.compactMap({ $0 }).min() else { return options.mostSegments }
    return min(options.mostSegments, UInt32(max(size - 2, 1)))
  }

  /// A request of as many segments as it may have, with header and status, also in a table longer than the ring.
  public var tableCapacity: Int { Int(options.mostSegments) + 2 }

  /// Whether writes have to be stable when they are done, and whether requests may be in tables.
  public func configure(_ features: VirtioFeatures) {
    isWriteThrough = !features.contains(BlockFeatures.flush)
    hasIndirect = features.contains(.indirectDescriptors)
  }

  /// The smallest queue limits the segments of a request.
  public func resize(index: Int, to size: Int) { sizes[index] = size }

  /// A request that was begun is fetched again, and done from its beginning.
  public func forget(index: Int) { queues[index].held = nil }

  /// Each queue may be another thread's.
  public func group(of index: Int) -> Int { index }

  /// Takes the lock of an image that is handed over.
  public func begin(index: Int) throws(VringFailure) {
    if options.isHandedOver && running.isEmpty {
      do throws(BlockImageError) { try image.lock() } catch { throw .device("the image: \(error)") }
    }
    running.insert(index)
  }

  /// Leaves an image that is handed over to the next device: what was written is stable then, also for another machine.
  public func stop(index: Int) {
    running.remove(index)
    handOver()
  }

  private func handOver() {
    guard options.isHandedOver, running.isEmpty else { return }
    do throws(BlockImageError) { try image.unlock() } catch { note(error) }
  }

  /// Drops requests that were begun.
  public func reset() {
    running = []
    handOver()
    for queue in queues {
      queue.held = nil
      queue.finished.removeAll()
    }
    sizes = sizes.map { _ in nil }
    (isWriteThrough, hasIndirect) = (true, false)
  }

  /// Does requests, one after the other, as far as a budget of bytes and time reaches.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    var budget = StepBudget(bytes: stepByteCount, nanoseconds: stepNanoseconds, clock: clock)
    let own = queues[index]
    // In locals: what others can read of the object is checked for exclusive access at each touch.
    var held = own.held.take()
    var finished = PlainList<FinishedRequest>()
    swap(&finished, &own.finished)
    defer {
      complete(&queue, finished, own)
      finished.removeAll()
      swap(&finished, &own.finished)
      own.held = held
    }
    for _ in 0..<limit {
      if let begun = held.take() {
        var task = begun.task
        guard advance(&task, begun.segments.span, &budget, own.vectors) else {
          held = HeldTask(task: task, segments: begun.segments)
          return .more
        }
        finished.append(FinishedRequest(task, begun.segments.span))
        continue
      }
      let chain: DeviceChain
      do throws(QueueError) {
        guard let next = try queue.next() else { return .empty }
        chain = next
      } catch { throw .queue(error) }
      var task = try begin(chain, queue.segments)
      guard advance(&task, queue.segments, &budget, own.vectors) else {
        held = HeldTask(task: task, segments: Array(queue.segments))
        return .more
      }
      finished.append(FinishedRequest(task, queue.segments))
    }
    return .more
  }

  /// What went wrong with the image since the last call, the first of each kind.
  public func takeErrors() -> [BlockImageError] {
    errors.withLock { errors in
      defer { errors.new = [] }
      return errors.new
    }
  }

  func note(_ error: BlockImageError) {
    errors.withLock { errors in
      // A guest may make a million requests fail in the same way.
      guard !errors.noted.contains(error), errors.noted.count < 16 else { return }
      errors.noted.append(error)
      errors.new.append(error)
    }
  }
}

/// What a disk has for one queue: the thread's that serves it.
final class BlockQueue {
  /// The request that was begun and is not done.
  var held: HeldTask?
  /// Those of one call; empty between two, with room for those of the next.
  var finished = PlainList<FinishedRequest>()
  let vectors = VectorTable()
  let done = Tally()
  let failed = Tally()
}

/// Room for the vectors of one system call: memory of its own, which no request checks or counts.
@safe
struct VectorTable: ~Copyable {
  /// UIO_MAXIOV of them.
  let list = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 1024)

  deinit { unsafe list.deallocate() }

  /// The next bytes of a cursor, `limit` at most.
  func fill(
    _ cursor: ChainCursor, _ segments: Span<TranslatedSegment>, limit: Int
  ) -> UnsafeBufferPointer<iovec> {
    let count = unsafe cursor.vectors(segments, limit: limit, to: list)
    return unsafe UnsafeBufferPointer(rebasing: list[0..<count])
  }
}

/// What a disk is to be like.
public struct BlockOptions: Sendable {
  /// Whether writes are refused.
  public var isReadOnly = false
  /// Queues to offer, 1 to 256.
  public var queueCount = 1
  /// Whether the image is locked only while a queue runs, so that a guest can move between two devices that have it.
  ///
  /// A queue whose device finds the image in use when it begins does not run.
  public var isHandedOver = false
  /// Segments of data in a request at most.
  ///
  /// A driver without indirect tables is told of 2 less than its queue's size where that is less, because the ring
  /// holds a header and a status too.
  public var mostSegments: UInt32 = 126
  /// The block size that a driver is told, in bytes.
  public var blockSize: UInt32 = 512
  /// What the disk calls itself, 20 bytes at most.
  public var name = "ringkit"

  /// A writable disk of one queue.
  public init() {}
}

/// Feature bits and numbers of a block device (virtio 1.2, 5.2).
enum BlockFeatures {
  static let segmentsMax = VirtioFeatures(rawValue: 1 << 2)
  static let readOnly = VirtioFeatures(rawValue: 1 << 5)
  static let blockSize = VirtioFeatures(rawValue: 1 << 6)
  static let flush = VirtioFeatures(rawValue: 1 << 9)
  static let severalQueues = VirtioFeatures(rawValue: 1 << 12)
  static let discard = VirtioFeatures(rawValue: 1 << 13)
  static let writeZeroes = VirtioFeatures(rawValue: 1 << 14)

  /// What capacity and positions are counted in, whatever the block size.
  static let sectorBytes: UInt64 = 512
}
