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
