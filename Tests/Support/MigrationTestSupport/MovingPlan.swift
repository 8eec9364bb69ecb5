package import RingKit

/// What a queue that moves is like: the same at every stop.
package struct MovingPlan: Codable, Sendable, CustomStringConvertible {
  /// A packed ring, else a split one.
  package var isPacked: Bool
  /// The DMA path.
  package var path: MovingPath
  /// Features beside VERSION_1 and RING_PACKED, as a number.
  package var features: UInt64
  /// Descriptors in the ring.
  package var size: Int
  /// Buffers of one segment only.
  package var singles: Bool

  /// A queue.
  package init(isPacked: Bool, path: MovingPath, features: VirtioFeatures, size: Int, singles: Bool) {
    self.isPacked = isPacked
    self.path = path
    self.features = features.rawValue
    self.size = size
    self.singles = singles
  }

  /// For a failure's text.
  package var description: String {
    "\(isPacked ? "packed" : "split"), \(path.rawValue), \(VirtioFeatures(rawValue: features)), size \(size)"
      + (singles ? ", singles" : "")
  }

  /// As both ends are set up.
  package var configuration: QueueConfiguration {
    let ring: VirtioFeatures = isPacked ? [.version1, .packedRing] : .version1
    return QueueConfiguration(
      size: size, features: VirtioFeatures(rawValue: features).union(ring), indirectCapacity: min(size, 4))
  }

  /// What a buffer is made of, by its number: segments, and bytes that the device writes.
  func shape(of number: UInt64) -> (readable: Int, writable: Int, written: Int) {
    let hash = number &* 0x9e37_79b9_7f4a_7c15
    var (readable, writable) = (Int(hash >> 60 & 3) % 3, Int(hash >> 56 & 3) % 3)
    if singles || size == 1 {
      readable = Int(number & 1)
      writable = 1 - readable
    } else if readable + writable > size {
      writable = size - readable
    }
    if readable + writable == 0 { writable = 1 }
    return (readable, writable, Int(hash >> 32 & 0xff) % (Self.segmentBytes * writable + 1))
  }

  static let segmentBytes = 24
  static let slotBytes = 128
}

/// The paths over which mappings can be carried.
package enum MovingPath: String, Codable, CaseIterable, Sendable {
  case direct
  case identity
  case iommuStrict = "iommu-strict"
  case iommuLazy = "iommu-lazy"
  case premapped
  case swiotlb
}
