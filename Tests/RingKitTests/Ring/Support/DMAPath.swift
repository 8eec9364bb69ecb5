import RingKit
import RingKitTestSupport

/// The DMA paths that the suites run on.
///
/// A new path is a case here and a line in ``Rig/assemble()``.
enum DMAPath: String, CaseIterable, Sendable {
  case direct
  case faultInjecting = "fault-injecting"
  case identity
  case identityRetpoline = "identity-retpoline"
  case iommuStrict = "iommu-strict"
  case iommuLazy = "iommu-lazy"
  case iommuMerged = "iommu-merged"
  /// Page table and invalidation queue in memory that the device has mapped for itself, as a process of its own would.
  case iommuShared = "iommu-shared"
  case iommuSharedLazy = "iommu-shared-lazy"
  case premapped
  case viommuProcess = "viommu-process"
  case viommuInjected = "viommu-injected"
  case mmu
  case swiotlb
  case shadow
  /// Payload on both sides of the mask, so that chains mix what is handed over with what is bounced.
  case dmaMask = "dma-mask"
  /// A threshold below the segments' usual length and one above it, so that chains mix both.
  case hybrid
  case poisoning

  /// Paths whose device never sees the payload itself: it is private to the guest.
  var isBouncing: Bool { self == .swiotlb || self == .shadow || self == .poisoning }

  /// Whether each buffer takes system calls, so that as many of them as elsewhere would take minutes.
  var entersTheKernel: Bool { self == .viommuProcess || self == .mmu }

  /// Paths that claim that the device reaches what is mapped and nothing else of the guest.
  ///
  /// `hybrid` maps the tests' segments, which are no shorter than its threshold; what it copies, `shadow` stands for.
  /// `dma-mask` hands over most addresses as they are, and claims nothing.
  static let protecting: [DMAPath] = [
    .iommuStrict, .iommuLazy, .iommuMerged, .iommuShared, .iommuSharedLazy, .premapped, .viommuProcess,
    .viommuInjected, .mmu, .swiotlb, .shadow, .hybrid,
  ]

  /// Of those, the paths on which an address means nothing after its unmap.
  var forgetsAddresses: Bool { self != .premapped && !isBouncing }

  /// Of those, the paths that map a buffer for one direction alone.
  var checksDirection: Bool { forgetsAddresses }
}
