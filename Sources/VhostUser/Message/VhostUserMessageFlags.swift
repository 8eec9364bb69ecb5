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
