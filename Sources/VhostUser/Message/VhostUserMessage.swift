/// One message of either direction: its request code, flags, payload and the descriptors that came with it.
///
/// The payload is not looked at here: ``FrontendMessage`` and ``BackendMessage`` check it, and a reply's reader does.
public struct VhostUserMessage: Sendable {
  /// The request code: a ``FrontendRequest`` or a ``BackendRequest``, by the socket it is on.
  public var request: UInt32
  /// Version, reply and need_reply.
  public var flags: VhostUserMessageFlags
  /// The bytes behind the header.
  public var payload: [UInt8]
  /// The descriptors beside the bytes, each closed with its last reference.
  public var descriptors: [PassedDescriptor]

  /// Bytes of a header: request, flags and payload size, 32 bits each.
  public static let headerByteCount = 12
  /// Bytes of the longest payload: a configuration space's access of 256 bytes, or a memory table of eight regions.
  public static let mostPayloadBytes = 272
  /// Descriptors that one message may carry (VHOST_MEMORY_BASELINE_NREGIONS).
  public static let mostDescriptors = 8

  /// A message to send.
  public init(
    request: UInt32, flags: VhostUserMessageFlags = .version1, payload: [UInt8] = [],
    descriptors: [PassedDescriptor] = []
  ) {
    self.request = request
    self.flags = flags
    self.payload = payload
    self.descriptors = descriptors
  }

  /// The answer to a message, with the same request code.
  public func reply(_ payload: [UInt8], descriptors: [PassedDescriptor] = []) -> VhostUserMessage {
    VhostUserMessage(request: request, flags: [.version1, .reply], payload: payload, descriptors: descriptors)
  }

  /// The answer that is one number: what GET requests return, or 0 for done and another for refused.
  public func reply(_ value: UInt64) -> VhostUserMessage {
    var writer = PayloadWriter()
    writer.append(value)
    return reply(writer.bytes)
  }

  var headerBytes: [UInt8] {
    var writer = PayloadWriter()
    writer.append(request)
    writer.append(flags.rawValue)
    writer.append(UInt32(payload.count))
    return writer.bytes
  }
}
