import BenchHarness
import RingIOMMU
import RingKit

/// The DMA paths by the names that the command line, the JSON and the tables share.
package enum DMAPath: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case direct
  case identity
  case iommuStrict = "iommu-strict"
  case iommuLazy = "iommu-lazy"
  case viommu
  case mmu
  case premapped
  case swiotlb
  case dmaMask = "dma-mask"
  case shadow
  case hybrid

  package static let noun = "path"

  /// Whether buffers are bounced through the swiotlb pool.
  package var usesPool: Bool { self == .swiotlb || self == .dmaMask }
  /// Whether buffers are copied through the queue's shadow buffers.
  package var usesShadow: Bool { self == .shadow || self == .hybrid }

  /// The largest buffer the path takes, and why.
  package var sizeLimit: (bytes: Int, reason: String) {
    switch self {
    case .swiotlb, .dmaMask: (262_144, "one mapping of swiotlb is at most 128 slots of 2 KiB")
    default: (16 << 20, "ringbench keeps payloads below 16 MiB")
    }
  }
}
