internal import RingKit

/// Feature bits of a network device (virtio 1.2, 5.1).
enum LoopbackFeatures {
  static let mergeableBuffers = VirtioFeatures(rawValue: 1 << 15)
  static let severalQueuePairs = VirtioFeatures(rawValue: 1 << 22)
}
