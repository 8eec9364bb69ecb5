import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The DMA paths by the names that the command line, the JSON and the tables share.
package enum DMAPath: String, CaseIterable, Codable, Sendable, NamedChoice {
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

extension DMAPath {
  /// Why the path does not lead to a device in another process that sees the shared pages of a secure guest and nothing
  /// else; `nil` when it does.
  ///
  /// Paths that map a buffer, or hand it over below the mask, have their payload in shared pages, as a driver of a
  /// secure guest that allocates its buffers there.
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

  /// Copies into a pool that is searched and walked round, rather than to a fixed offset.
  package var walksPool: Bool { self == .swiotlb }

  /// Maps and unmaps each buffer.
  package var maps: Bool { ["iommu-strict", "iommu-lazy", "viommu", "mmu"].contains(rawValue) }
}
