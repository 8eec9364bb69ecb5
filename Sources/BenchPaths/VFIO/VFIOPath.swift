import BenchHarness
import RingIOMMU
import RingKit

/// How a buffer gets its address on a device behind a real IOMMU.
package enum VFIOPath: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Everything mapped once.
  case premapped
  /// Each segment mapped and unmapped by the IOMMU.
  case iommuReal = "iommu-real"
  /// Everything copied through a pool that is mapped once.
  case swiotlb

  package static let noun = "path"
}
