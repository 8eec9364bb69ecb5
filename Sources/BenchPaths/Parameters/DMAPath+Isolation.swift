import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension DMAPath {
  /// Why the path does not lead to a device in another process that sees the shared pages of a secure guest and nothing
  /// else; `nil` when it does.
  ///
  /// Paths that map a buffer, or hand it over below the mask, have their payload in shared pages, as a driver of a secure
  /// guest that allocates its buffers there.
  package func isolationRefusal(viommuPrice: ViommuPrice = .process) -> String? {
    switch self {
    case .premapped, .swiotlb, .shadow, .iommuStrict, .iommuLazy, .dmaMask, .hybrid: nil
    case .direct, .identity:
      "\(name) hands the device addresses of the guest's private memory, which a secure platform never shares"
        + " (--unsafe-force shows the fault)"
    case .viommu where viommuPrice == .injected: nil
    case .viommu:
      "viommu asks a third process for each translation, and the device in another process has no connection to that;"
        + " add --viommu-price injected and --viommu-ns"
    case .mmu:
      "mmu changes the page table of the process it runs in, so a device in another process sees none of its mappings"
    }
  }

  /// Whether the path can be forced on a secure platform, to see it fail.
  package var canBeForced: Bool { handsOverAddresses }

  /// Whether the descriptor holds the address of the buffer that was submitted, wherever that is.
  package var handsOverAddresses: Bool { self == .direct || self == .identity }
}
