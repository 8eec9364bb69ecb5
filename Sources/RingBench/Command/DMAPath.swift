/// The DMA paths by the names that the command line, the JSON and the tables share.
enum DMAPath: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case direct
  case identity
  case iommuStrict = "iommu-strict"
  case iommuLazy = "iommu-lazy"
  case viommu
  case mmu
  case premapped
  case swiotlb

  static let noun = "path"

  /// The largest buffer the path takes, and why.
  var sizeLimit: (bytes: Int, reason: String) {
    switch self {
    case .swiotlb: (262_144, "one mapping of swiotlb is at most 128 slots of 2 KiB")
    default: (16 << 20, "ringbench keeps payloads below 16 MiB")
    }
  }
}
