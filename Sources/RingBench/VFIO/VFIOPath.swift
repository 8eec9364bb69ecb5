/// How a buffer gets its address on a device behind a real IOMMU.
enum VFIOPath: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Everything mapped once.
  case premapped
  /// Each segment mapped and unmapped by the IOMMU.
  case iommuReal = "iommu-real"
  /// Everything copied through a pool that is mapped once.
  case swiotlb

  static let noun = "path"
}
