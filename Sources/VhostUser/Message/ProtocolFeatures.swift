/// Extensions of the protocol that both sides agree on ("Protocol features").
@frozen
public struct ProtocolFeatures: OptionSet, Hashable, Sendable {
  /// The 64-bit word.
  public let rawValue: UInt64

  /// Any set of bits, known here or not.
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// 0: the back-end says how many queues it has.
  public static let queueCount = ProtocolFeatures(rawValue: 1 << 0)
  /// 3: need_reply is answered.
  public static let replyAck = ProtocolFeatures(rawValue: 1 << 3)
  /// 5: a channel for requests of the back-end.
  public static let backendRequests = ProtocolFeatures(rawValue: 1 << 5)
  /// 9: the configuration space is the back-end's.
  public static let config = ProtocolFeatures(rawValue: 1 << 9)
  /// 12: requests in flight are noted in shared memory.
  public static let inflight = ProtocolFeatures(rawValue: 1 << 12)

  /// Feature bit 30 of the device: there are protocol features to ask for.
  public static let deviceBit: UInt64 = 1 << 30
}

extension ProtocolFeatures: CustomStringConvertible {
  private static let names: [(ProtocolFeatures, String)] = [
    (.queueCount, "MQ"), (.replyAck, "REPLY_ACK"), (.backendRequests, "BACKEND_REQ"), (.config, "CONFIG"),
    (.inflight, "INFLIGHT_SHMFD"),
  ]

  /// The names of the bits that are set, unknown ones by number.
  public var description: String {
    var rest = rawValue
    var parts: [String] = []
    for (feature, name) in Self.names where contains(feature) {
      parts.append(name)
      rest &= ~feature.rawValue
    }
    for bit in 0..<64 where rest & (1 << UInt64(bit)) != 0 { parts.append("bit \(bit)") }
    return parts.isEmpty ? "none" : parts.joined(separator: " ")
  }
}
