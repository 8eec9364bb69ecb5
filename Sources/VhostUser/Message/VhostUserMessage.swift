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

/// The `flags` of a message's header.
@frozen
public struct VhostUserMessageFlags: OptionSet, Hashable, Sendable {
  /// The 32-bit field.
  public let rawValue: UInt32

  /// Any set of bits, known here or not.
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The version, 1, in the lower two bits: every message carries it.
  public static let version1 = VhostUserMessageFlags(rawValue: 1)
  /// Bit 2: the message answers a request.
  public static let reply = VhostUserMessageFlags(rawValue: 1 << 2)
  /// Bit 3: the sender wants an answer to a request that has none of its own (REPLY_ACK).
  public static let needReply = VhostUserMessageFlags(rawValue: 1 << 3)

  /// The lower two bits.
  public var version: UInt32 { rawValue & 3 }
}

extension VhostUserMessage {
  func check(_ byteCounts: [Int], descriptors expected: Int) throws(VhostUserError) {
    guard byteCounts.contains(payload.count) else {
      throw .payloadLength(request: request, byteCount: payload.count, expected: byteCounts[0])
    }
    guard descriptors.count == expected else {
      throw .descriptorCount(request: request, count: descriptors.count, expected: expected)
    }
  }

  /// The number that a reply consists of.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func number() throws(VhostUserError) -> UInt64 {
    try check([8], descriptors: 0)
    var reader = PayloadReader(payload)
    return reader.number()
  }

  /// The reply to ``FrontendRequest/getVringBase``.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func vringState() throws(VhostUserError) -> VringState {
    try check([VringState.byteCount], descriptors: 0)
    var reader = PayloadReader(payload)
    return VringState(&reader)
  }

  /// The reply to ``FrontendRequest/getConfig``; without a payload the back-end refused.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func configAccess() throws(VhostUserError) -> ConfigAccess? {
    if payload.isEmpty && descriptors.isEmpty { return nil }
    return try ConfigAccess(self)
  }

  /// The reply to ``FrontendRequest/getInflight``: the description, and the file behind it.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func inflight() throws(VhostUserError) -> (InflightDescription, PassedDescriptor) {
    try check([InflightDescription.byteCount, InflightDescription.packedByteCount], descriptors: 1)
    var reader = PayloadReader(payload)
    return (InflightDescription(&reader), descriptors[0])
  }
}

extension ConfigAccess {
  init(_ message: VhostUserMessage) throws(VhostUserError) {
    let count = message.payload.count
    guard count >= Self.headerByteCount else {
      throw .payloadLength(request: message.request, byteCount: count, expected: Self.headerByteCount)
    }
    guard message.descriptors.isEmpty else {
      throw .descriptorCount(request: message.request, count: message.descriptors.count, expected: 0)
    }
    var reader = PayloadReader(message.payload)
    offset = reader.number()
    let size: UInt32 = reader.number()
    flags = reader.number()
    bytes = reader.rest
    guard size <= UInt32(Self.mostBytes), offset <= UInt32(Self.mostBytes) - size else {
      throw .configRange(offset: offset, byteCount: size)
    }
    guard bytes.count == Int(size) else {
      throw .payloadLength(request: message.request, byteCount: count, expected: Self.headerByteCount + Int(size))
    }
  }
}

/// Takes a payload apart whose length was checked against what is read from it: every reader is made behind a check
/// (`VhostUserMessage.check(_:descriptors:)`) or of a part that was cut to size.
struct PayloadReader {
  private let bytes: ArraySlice<UInt8>
  private var offset: Int

  init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    offset = bytes.startIndex
  }

  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type = Number.self) -> Number {
    var value: Number = 0
    let count = MemoryLayout<Number>.size
    precondition(offset + count <= bytes.endIndex, "a payload is read beyond its end")
    // SAFETY: as many bytes as the local value has, all of them inside the payload.
    unsafe withUnsafeMutableBytes(of: &value) { unsafe $0.copyBytes(from: bytes[offset..<(offset + count)]) }
    offset += count
    return value
  }

  mutating func skip(_ count: Int) { offset += count }

  var rest: [UInt8] { [UInt8](bytes[offset...]) }
}

/// Puts a payload together: numbers in the machine's byte order, one behind the other.
struct PayloadWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number) {
    // SAFETY: the bytes of a local value, copied.
    unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
  }

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func pad(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
}
