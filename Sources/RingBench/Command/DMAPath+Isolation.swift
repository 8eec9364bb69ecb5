import RingKit

extension DMAPath {
  /// Why the path does not lead to a device in another process that sees the shared pages of a secure guest and nothing
  /// else; `nil` when it does.
  var isolationRefusal: String? {
    switch self {
    case .premapped, .swiotlb, .shadow: nil
    case .direct, .identity:
      "\(name) hands the device addresses of the guest's private memory, which a secure platform never shares"
        + " (--unsafe-force shows the fault)"
    case .iommuStrict, .iommuLazy, .viommu:
      "\(name) maps the guest's private memory, which a secure platform never shares, and its page table and"
        + " invalidation queue lie in the memory of one process, where a device in another cannot walk or answer them"
    case .dmaMask:
      "dma-mask hands the device what lies below its mask as it is, and on a secure platform that is the guest's private"
        + " memory; swiotlb and shadow bounce all of it"
    case .hybrid:
      "hybrid maps long buffers of the guest's private memory, which a secure platform never shares; shadow copies all of"
        + " them"
    case .mmu:
      "mmu changes the page table of the process it runs in, so a device in another process sees none of its mappings"
    }
  }

  /// Whether the path can be forced on a secure platform, to see it fail.
  var canBeForced: Bool { handsOverAddresses }

  /// Whether the descriptor holds the address of the buffer that was submitted, wherever that is.
  var handsOverAddresses: Bool { self == .direct || self == .identity }
}
