public import RingKit

/// What a virtio-blk device says of itself in its configuration space (virtio 1.2, 5.2.4), as far as its features make it
/// say.
public struct BlockLimits: Equatable, Sendable {
  /// Sectors of 512 bytes.
  public let sectorCount: UInt64
  /// Bytes of one data segment at most; `nil`: no limit.
  public let segmentByteCount: UInt32?
  /// Data segments of one request at most; `nil`: no limit.
  public let segmentCount: UInt32?
  /// Bytes the device likes to be addressed in; 512 unless it says otherwise.
  public let blockByteCount: UInt32
  /// Whether it refuses writes.
  public let isReadOnly: Bool
  /// Whether it takes flush requests.
  public let hasFlush: Bool

  /// Bytes of the space that are looked at.
  public static let byteCount = 24
  /// Features that are understood here: SIZE_MAX, SEG_MAX, RO, BLK_SIZE, FLUSH.
  public static let features = VirtioFeatures(rawValue: 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9)

  /// Takes the space apart.
  ///
  /// - Parameters:
  ///   - bytes: the first ``byteCount`` bytes of the space.
  ///   - features: what was agreed on.
  public init(_ bytes: [UInt8], features: VirtioFeatures) {
    precondition(bytes.count >= Self.byteCount, "a block device's configuration has \(Self.byteCount) bytes or more")
    func number(_ offset: Int, _ count: Int) -> UInt64 {
      bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    func has(_ bit: UInt64) -> Bool { features.rawValue & 1 << bit != 0 }
    sectorCount = number(0, 8)
    // A device that limits them to nothing limits nothing that could be used.
    segmentByteCount = has(1) && number(8, 4) > 0 ? UInt32(number(8, 4)) : nil
    segmentCount = has(2) && number(12, 4) > 0 ? UInt32(number(12, 4)) : nil
    let block = UInt32(number(20, 4))
    blockByteCount = has(6) && block >= 512 && block & (block - 1) == 0 ? block : 512
    isReadOnly = has(5)
    hasFlush = has(9)
  }
}
