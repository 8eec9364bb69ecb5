public import RingKit

/// A request of a back-end, taken apart and checked.
public enum BackendMessage: Hashable, Sendable {
  /// A translation is missing, or was refused.
  case iotlb(IOTLBMessage)
  /// The configuration space changed.
  case configChange

  /// Takes a message apart that came from a back-end.
  ///
  /// - Throws: ``VhostUserError`` for a request that is not known here, or a payload of another length than it has.
  public init(_ message: VhostUserMessage) throws(VhostUserError) {
    guard !message.flags.contains(.reply) else { throw .unexpectedReply(request: message.request) }
    switch BackendRequest(rawValue: message.request) {
    case .iotlb:
      try message.check([IOTLBMessage.byteCount, IOTLBMessage.packedByteCount], descriptors: 0)
      var reader = PayloadReader(message.payload)
      self = .iotlb(try IOTLBMessage(&reader))
    case .configChange:
      try message.check([0], descriptors: 0)
      self = .configChange
    case nil: throw .unknownRequest(message.request)
    }
  }

  /// The message as it is sent.
  ///
  /// - Parameter needsReply: whether it is to be answered; only with ``ProtocolFeatures/replyAck``.
  /// - Returns: the message.
  public func encoded(needsReply: Bool = false) -> VhostUserMessage {
    let flags: VhostUserMessageFlags = needsReply ? [.version1, .needReply] : .version1
    switch self {
    case .iotlb(let message):
      return VhostUserMessage(request: BackendRequest.iotlb.rawValue, flags: flags, payload: message.payload)
    case .configChange: return VhostUserMessage(request: BackendRequest.configChange.rawValue, flags: flags)
    }
  }
}

/// What a back-end asks of a front-end over the channel that SET_BACKEND_REQ_FD gave it ("Back-end message types").
public enum BackendRequest: UInt32, Sendable, CaseIterable {
  /// VHOST_USER_BACKEND_IOTLB_MSG: a translation is missing, or does not permit the access.
  case iotlb = 1
  /// VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: the configuration space changed.
  case configChange = 2
}

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
