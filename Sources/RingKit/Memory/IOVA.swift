/// The address that stands in a descriptor: what the device puts on the bus, in bytes.
///
/// Without VIRTIO_F_ACCESS_PLATFORM it equals the guest-physical address; behind an IOMMU it is looked up in the
/// device's page table; under swiotlb it is the guest-physical address of a bounce slot.
@frozen
public struct IOVA: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public var rawValue: UInt64

  /// Wraps an address given in bytes.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The bus address of guest-physical memory on a platform that does not translate.
  @inlinable
  public init(untranslated address: GuestPhysicalAddress) { self.rawValue = address.rawValue }

  /// The address `bytes` further on, or `nil` when that is beyond 2^64.
  @inlinable
  public func advanced(by bytes: UInt64) -> IOVA? {
    let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
    return overflow ? nil : IOVA(sum)
  }

  /// Orders by address.
  @inlinable
  public static func < (a: IOVA, b: IOVA) -> Bool { a.rawValue < b.rawValue }
}

extension IOVA: CustomStringConvertible {
  /// `iova 0x…`.
  public var description: String { "iova 0x" + String(rawValue, radix: 16) }
}
