public import RingKit

/// A disk (virtio 1.2, 5.2) over a file: reads, writes, flushes, tells its name, discards and writes zeros.
///
/// Each request is done when its buffer is completed; one thread's.
public final class BlockDevice: VhostUserDevice {
  let image: BlockImage
  let options: BlockOptions
  /// Requests that were done, and those that failed or made no sense.
  public internal(set) var done: UInt64 = 0
  /// Requests that failed or made no sense.
  public internal(set) var failed: UInt64 = 0

  /// A disk over a file or a block device, whole sectors of it.
  ///
  /// - Throws: ``VhostUserError/system(operation:errno:)`` when it cannot be opened that way.
  public init(path: String, options: BlockOptions = BlockOptions()) throws(VhostUserError) {
    precondition((1...256).contains(options.queueCount), "a disk has 1 to 256 queues")
    image = try BlockImage(path: path, isReadOnly: options.isReadOnly)
    self.options = options
  }

  /// Sectors of 512 bytes.
  public var capacity: UInt64 { image.byteCount / BlockFeatures.sectorBytes }

  /// What this disk offers.
  public var deviceFeatures: VirtioFeatures {
    var features: VirtioFeatures = [BlockFeatures.segmentsMax, BlockFeatures.blockSize, BlockFeatures.flush]
    if options.queueCount > 1 { features.insert(BlockFeatures.severalQueues) }
    if options.isReadOnly {
      features.insert(BlockFeatures.readOnly)
    } else {
      features.insert([BlockFeatures.discard, BlockFeatures.writeZeroes])
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
    writer.append(options.mostSegments)
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

  /// Nothing depends on it.
  public func configure(_ features: VirtioFeatures) {}

  /// Does requests, one after the other.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    for _ in 0..<limit {
      let chain: DeviceChain
      do throws(QueueError) {
        guard let next = try queue.next() else { return .empty }
        chain = next
      } catch { throw .queue(error) }
      queue.complete(chain, written: try perform(chain, queue.segments))
    }
    return .more
  }
}

/// What a disk is to be like.
public struct BlockOptions: Sendable {
  /// Whether writes are refused.
  public var isReadOnly = false
  /// Queues to offer, 1 to 256.
  public var queueCount = 1
  /// Segments of data in a request at most; 2 less than the queue's size, because the ring holds a header and a status
  /// too.
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
