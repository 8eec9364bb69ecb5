/// An address in the guest's physical address space, in bytes.
///
/// What a driver knows its buffers by. It reaches a device only through a ``DMAMapper``, which turns it into an
/// ``IOVA``; the two types keep a missing translation from compiling.
@frozen
public struct GuestPhysicalAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public var rawValue: UInt64

  /// Wraps an address given in bytes.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The address `bytes` further on, or `nil` when that is beyond 2^64.
  @inlinable
  public func advanced(by bytes: UInt64) -> GuestPhysicalAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
    return overflow ? nil : GuestPhysicalAddress(sum)
  }

  /// Orders by address.
  @inlinable
  public static func < (a: GuestPhysicalAddress, b: GuestPhysicalAddress) -> Bool { a.rawValue < b.rawValue }
}

extension GuestPhysicalAddress: CustomStringConvertible {
  /// `gpa 0x…`.
  public var description: String { "gpa 0x" + String(rawValue, radix: 16) }
}
