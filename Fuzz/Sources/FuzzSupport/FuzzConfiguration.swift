public import RingKit

/// Layout, features, size and path, from the first three bytes of an input.
public struct FuzzConfiguration {
  /// The DMA paths that are fuzzed.
  public enum Path: Int, CaseIterable {
    case direct, swiotlb, iommuStrict, iommuLazy
  }

  /// Packed or split.
  public let isPacked: Bool
  /// The DMA path.
  public let path: Path
  /// Size and features.
  public let queue: QueueConfiguration

  /// Takes three bytes of an input.
  public init(_ input: inout FuzzInput) {
    let bits = input.byte()
    isPacked = bits & 1 != 0
    var features: VirtioFeatures = isPacked ? [.version1, .packedRing] : [.version1]
    let choices: [(UInt8, VirtioFeatures)] = [
      (2, .indirectDescriptors), (4, .eventIndex), (8, .inOrder), (16, .orderPlatform),
    ]
    for (bit, feature) in choices where bits & bit != 0 { features.insert(feature) }
    path = Path.allCases[input.below(Path.allCases.count)]
    let choice = input.byte()
    // Sizes that are powers of two, on which slots are counted, and for packed rings others as well.
    let size =
      isPacked && choice & 8 != 0 ? 1 + Int(choice >> 4) % FuzzGuest.maximumSize : 1 << (Int(choice) % 5)
    queue = QueueConfiguration(size: size, features: features, indirectCapacity: min(size, 4))
  }
}
