/// What a front-end asks of a back-end, by the numbers of the protocol ("Front-end message types").
///
/// Those of extensions that are not spoken here (logging, postcopy, crypto, GPU, memory slots) are not among them.
public enum FrontendRequest: UInt32, Sendable, CaseIterable {
  /// VHOST_USER_GET_FEATURES.
  case getFeatures = 1
  /// VHOST_USER_SET_FEATURES.
  case setFeatures = 2
  /// VHOST_USER_SET_OWNER.
  case setOwner = 3
  /// VHOST_USER_RESET_OWNER, deprecated.
  case resetOwner = 4
  /// VHOST_USER_SET_MEM_TABLE.
  case setMemoryTable = 5
  /// VHOST_USER_SET_VRING_NUM.
  case setVringSize = 8
  /// VHOST_USER_SET_VRING_ADDR.
  case setVringAddress = 9
  /// VHOST_USER_SET_VRING_BASE.
  case setVringBase = 10
  /// VHOST_USER_GET_VRING_BASE.
  case getVringBase = 11
  /// VHOST_USER_SET_VRING_KICK.
  case setVringKick = 12
  /// VHOST_USER_SET_VRING_CALL.
  case setVringCall = 13
  /// VHOST_USER_SET_VRING_ERR.
  case setVringError = 14
  /// VHOST_USER_GET_PROTOCOL_FEATURES.
  case getProtocolFeatures = 15
  /// VHOST_USER_SET_PROTOCOL_FEATURES.
  case setProtocolFeatures = 16
  /// VHOST_USER_GET_QUEUE_NUM.
  case getQueueCount = 17
  /// VHOST_USER_SET_VRING_ENABLE.
  case setVringEnable = 18
  /// VHOST_USER_SET_BACKEND_REQ_FD.
  case setBackendChannel = 21
  /// VHOST_USER_IOTLB_MSG.
  case iotlb = 22
  /// VHOST_USER_GET_CONFIG.
  case getConfig = 24
  /// VHOST_USER_SET_CONFIG.
  case setConfig = 25
  /// VHOST_USER_GET_INFLIGHT_FD.
  case getInflight = 31
  /// VHOST_USER_SET_INFLIGHT_FD.
  case setInflight = 32
}

extension FrontendRequest {
  /// Whether the request has a reply of its own, with or without REPLY_ACK.
  public var hasReply: Bool {
    switch self {
    case .getFeatures, .getVringBase, .getProtocolFeatures, .getQueueCount, .getConfig, .getInflight: true
    default: false
    }
  }
}
