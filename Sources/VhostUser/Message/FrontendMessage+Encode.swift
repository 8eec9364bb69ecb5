internal import RingKit

extension FrontendMessage {
  /// The message as it is sent.
  ///
  /// - Parameter needsReply: whether a request without a reply of its own is to be answered; only with
  ///   ``ProtocolFeatures/replyAck``.
  /// - Returns: the message; it holds the request's descriptors.
  public func encoded(needsReply: Bool = false) -> VhostUserMessage {
    let (payload, descriptors) = parts
    return VhostUserMessage(
      request: request.rawValue, flags: needsReply ? [.version1, .needReply] : .version1, payload: payload,
      descriptors: descriptors)
  }

  private var parts: ([UInt8], [PassedDescriptor]) {
    switch self {
    case .getFeatures, .setOwner, .resetOwner, .getProtocolFeatures, .getQueueCount: ([], [])
    case .setFeatures(let features): (Self.word(features.rawValue), [])
    case .setProtocolFeatures(let features): (Self.word(features.rawValue), [])
    case .setMemoryTable(let table, let files): (MemoryTableEntry.payload(table), files)
    case .setVringSize(let state), .setVringBase(let state), .getVringBase(let state), .setVringEnable(let state):
      (state.payload, [])
    case .setVringAddress(let address): (address.payload, [])
    case .setVringKick(let index, let file), .setVringCall(let index, let file), .setVringError(let index, let file):
      (Self.word(UInt64(index) | (file == nil ? Self.noDescriptor : 0)), file.map { [$0] } ?? [])
    case .setBackendChannel(let socket): ([], [socket])
    case .iotlb(let message): (message.payload, [])
    case .getConfig(let access), .setConfig(let access): (access.payload, [])
    case .getInflight(let description): (description.payload, [])
    case .setInflight(let description, let file): (description.payload, [file])
    }
  }

  /// Bit 8 of a vring's file: there is none.
  static var noDescriptor: UInt64 { 1 << 8 }

  private static func word(_ value: UInt64) -> [UInt8] {
    var writer = PayloadWriter()
    writer.append(value)
    return writer.bytes
  }
}
