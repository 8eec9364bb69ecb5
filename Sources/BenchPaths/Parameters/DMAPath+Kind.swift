import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What a path does to a buffer, as far as predictions need to know.
extension DMAPath {
  /// How often each buffer is copied: k of the crossover's formula; `nil` for a path that does not copy.
  ///
  /// Linux's swiotlb copies a device-writable buffer in as well as out, so that bytes the device leaves alone survive.
  package func copies(_ direction: DMADirection) -> Int? {
    switch rawValue {
    case "swiotlb": direction == .deviceWritable ? 2 : 1
    case "shadow": 1
    default: nil
    }
  }

  /// Copies into a pool that is searched and walked round, rather than to a fixed place.
  package var walksPool: Bool { self == .swiotlb }

  /// Maps and unmaps each buffer.
  package var maps: Bool { ["iommu-strict", "iommu-lazy", "viommu", "mmu"].contains(rawValue) }
}
