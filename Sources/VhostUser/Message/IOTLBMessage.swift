public import RingKit

/// A message about one translation (`struct vhost_iotlb_msg`).
public struct IOTLBMessage: Hashable, Sendable {
  /// What it says.
  public enum Kind: UInt8, Sendable {
    /// A back-end needs the translation of an address.
    case miss = 1
    /// A front-end gives one.
    case update = 2
    /// A front-end takes a range back.
    case invalidate = 3
    /// A back-end was refused an access.
    case accessFailed = 4
  }

  /// The first address of the range.
  public var address: IOVA
  /// Its size in bytes; of no meaning in a miss.
  public var byteCount: UInt64
  /// Where the front-end has the memory mapped; of an update only.
  public var userAddress: UInt64
  /// What the device may do, or wants to.
  public var permissions: IOTLBPermissions
  /// What the message says.
  public var kind: Kind

  /// Bytes of the payload, with the padding that C gives the structure.
  public static let byteCount = 32
  /// Bytes without it.
  static let packedByteCount = 26

  /// A message.
  public init(
    _ kind: Kind, address: IOVA, byteCount: UInt64 = 0, userAddress: UInt64 = 0, permissions: IOTLBPermissions = []
  ) {
    self.address = address
    self.byteCount = byteCount
    self.userAddress = userAddress
    self.permissions = permissions
    self.kind = kind
  }

  init(_ reader: inout PayloadReader) throws(VhostUserError) {
    address = IOVA(reader.number())
    byteCount = reader.number()
    userAddress = reader.number()
    let (bits, type): (UInt8, UInt8) = (reader.number(), reader.number())
    guard let kind = Kind(rawValue: type), bits <= 3 || kind == .invalidate else {
      throw .iotlbMessage(type: type, permissions: bits)
    }
    // Those of an invalidation mean nothing, and QEMU sends whatever stood there.
    permissions = kind == .invalidate ? [] : IOTLBPermissions(rawValue: bits)
    self.kind = kind
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    for word in [address.rawValue, byteCount, userAddress] { writer.append(word) }
    writer.append(permissions.rawValue)
    writer.append(kind.rawValue)
    writer.pad(Self.byteCount - Self.packedByteCount)
    return writer.bytes
  }
}
