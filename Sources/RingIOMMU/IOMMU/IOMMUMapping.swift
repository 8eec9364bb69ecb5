public import RingKit

/// What the IOMMU paths remember of one mapping: enough to find its page-table entries and its IOVA range again.
@frozen
public struct IOMMUMapping: BitwiseCopyable, Sendable, Hashable {
  /// The address that stands in the descriptor.
  public let address: IOVA
  /// Bytes mapped from there; 0 for a slot in which nothing is mapped.
  public let length: UInt32

  @inlinable
  package init(address: IOVA, length: UInt32) {
    self.address = address
    self.length = length
  }

  /// The 4 KiB page the mapping starts in.
  @inlinable
  package var page: UInt64 { address.rawValue >> IOMMUPage.shift }

  /// Pages touched by the mapping.
  @inlinable
  package var pageCount: UInt64 { IOMMUPage.count(of: UInt64(length), at: address.rawValue) }
}
