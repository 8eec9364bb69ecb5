/// What a disk is to be like.
public struct BlockOptions: Sendable {
  /// Whether writes are refused.
  public var isReadOnly = false
  /// Queues to offer, 1 to 256.
  public var queueCount = 1
  /// Segments of data in a request at most; 2 less than the queue's size, because the ring holds a header and a status too.
  public var mostSegments: UInt32 = 126
  /// The block size that a driver is told, in bytes.
  public var blockSize: UInt32 = 512
  /// What the disk calls itself, 20 bytes at most.
  public var name = "ringkit"

  /// A writable disk of one queue.
  public init() {}
}
