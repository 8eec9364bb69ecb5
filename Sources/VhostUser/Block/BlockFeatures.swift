internal import RingKit

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
