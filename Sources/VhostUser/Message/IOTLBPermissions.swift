public import RingKit

/// What a device may do with a range, as IOTLB messages have it.
@frozen
public struct IOTLBPermissions: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8

  /// Any set of bits.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// VHOST_ACCESS_RO: the device may read.
  public static let read = IOTLBPermissions(rawValue: 1)
  /// VHOST_ACCESS_WO: the device may write.
  public static let write = IOTLBPermissions(rawValue: 2)

  /// What one kind of access needs.
  public init(_ access: DMADirection) { self = access == .deviceWritable ? .write : .read }
}
