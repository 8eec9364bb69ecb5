public import RingKit

/// A stretch of a device's address space.
public struct IOMMURange: Hashable, Sendable {
  /// Its first byte, at a multiple of 4 KiB.
  public let address: IOVA
  /// Its size in bytes, a multiple of 4 KiB.
  public let byteCount: UInt64

  /// `byteCount` bytes from `address` on.
  public init(_ address: IOVA, byteCount: UInt64) {
    self.address = address
    self.byteCount = byteCount
  }

  /// Everything an IOMMU of four levels reaches.
  static var whole: IOMMURange { IOMMURange(IOVA(0), byteCount: PageTable.pageLimit << IOMMUPage.shift) }
}

extension IOMMURange: CustomStringConvertible {
  /// `… bytes at iova 0x…`.
  public var description: String { "\(byteCount) bytes at \(address)" }
}
