public import RingKit
public import RingPlatform

/// A request of a front-end, taken apart and checked.
///
/// A descriptor that a case holds is closed with its last reference.
public enum FrontendMessage: Sendable {
  /// What can the device do?
  case getFeatures
  /// Use these features of those.
  case setFeatures(VirtioFeatures)
  /// A session begins.
  case setOwner
  /// Deprecated: disable all rings, or nothing.
  case resetOwner
  /// The guest's memory is this, each entry with the file it lies in.
  case setMemoryTable([MemoryTableEntry], [PassedDescriptor])
  /// What the device writes to the guest's memory is logged here: so many bytes from an offset of the file on.
  case setLogBase(byteCount: UInt64, fileOffset: UInt64, PassedDescriptor)
  /// The eventfd to ring when the log was written to.
  case setLogFile(PassedDescriptor)
  /// A vring has that many entries.
  case setVringSize(VringState)
  /// A vring lies there.
  case setVringAddress(VringAddress)
  /// A vring's processing begins at that position.
  case setVringBase(VringState)
  /// Stop a vring and say where its processing ended; only the index counts.
  case getVringBase(VringState)
  /// The eventfd that a driver rings; `nil`: look without being told.
  case setVringKick(index: Int, PassedDescriptor?)
  /// The eventfd to ring for a driver; `nil`: it looks without being told.
  case setVringCall(index: Int, PassedDescriptor?)
  /// The eventfd to ring when a vring cannot go on; `nil`: none.
  case setVringError(index: Int, PassedDescriptor?)
  /// What can the back-end do?
  case getProtocolFeatures
  /// Use these protocol features of those.
  case setProtocolFeatures(ProtocolFeatures)
  /// How many queues are there?
  case getQueueCount
  /// A vring may be processed (1) or not (0).
  case setVringEnable(VringState)
  /// The socket for the back-end's own requests.
  case setBackendChannel(PassedDescriptor)
  /// A translation is given or taken back.
  case iotlb(IOTLBMessage)
  /// What stands in the configuration space?
  case getConfig(ConfigAccess)
  /// The configuration space changes.
  case setConfig(ConfigAccess)
  /// Memory to note what is in flight is wanted.
  case getInflight(InflightDescription)
  /// What is in flight is noted here.
  case setInflight(InflightDescription, PassedDescriptor)
  /// The device returns to its initial state.
  case resetDevice
  /// The device's status is this; none of its bits: the device returns to its initial state.
  case setStatus(DeviceStatus)
  /// What is the device's status?
  case getStatus
}

extension FrontendMessage {
  /// The request's code.
  public var request: FrontendRequest {
    switch self {
    case .getFeatures: .getFeatures
    case .setFeatures: .setFeatures
    case .setOwner: .setOwner
    case .resetOwner: .resetOwner
    case .setMemoryTable: .setMemoryTable
    case .setLogBase: .setLogBase
    case .setLogFile: .setLogFile
    case .setVringSize: .setVringSize
    case .setVringAddress: .setVringAddress
    case .setVringBase: .setVringBase
    case .getVringBase: .getVringBase
    case .setVringKick: .setVringKick
    case .setVringCall: .setVringCall
    case .setVringError: .setVringError
    case .getProtocolFeatures: .getProtocolFeatures
    case .setProtocolFeatures: .setProtocolFeatures
    case .getQueueCount: .getQueueCount
    case .setVringEnable: .setVringEnable
    case .setBackendChannel: .setBackendChannel
    case .iotlb: .iotlb
    case .getConfig: .getConfig
    case .setConfig: .setConfig
    case .getInflight: .getInflight
    case .setInflight: .setInflight
    case .resetDevice: .resetDevice
    case .setStatus: .setStatus
    case .getStatus: .getStatus
    }
  }
}

/// What a front-end asks of a back-end, by the numbers of the protocol ("Front-end message types").
///
/// Those of extensions that are not spoken here (postcopy, crypto, GPU, memory slots) are not among them.
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
  /// VHOST_USER_SET_LOG_BASE.
  case setLogBase = 6
  /// VHOST_USER_SET_LOG_FD.
  case setLogFile = 7
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
  /// VHOST_USER_RESET_DEVICE.
  case resetDevice = 34
  /// VHOST_USER_SET_STATUS.
  case setStatus = 39
  /// VHOST_USER_GET_STATUS.
  case getStatus = 40
}

extension FrontendRequest {
  /// Whether the request has a reply of its own, with or without REPLY_ACK.
  public var hasReply: Bool {
    switch self {
    case .getFeatures, .setLogBase, .getVringBase, .getProtocolFeatures, .getQueueCount, .getConfig, .getInflight,
      .getStatus:
      true
    default: false
    }
  }
}

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
  /// 1: the log of what the device wrote is in shared memory; only with it is VHOST_F_LOG_ALL (bit 26) accepted.
  public static let logSharedMemory = ProtocolFeatures(rawValue: 1 << 1)
  /// 3: need_reply is answered.
  public static let replyAck = ProtocolFeatures(rawValue: 1 << 3)
  /// 5: a channel for requests of the back-end.
  public static let backendRequests = ProtocolFeatures(rawValue: 1 << 5)
  /// 9: the configuration space is the back-end's.
  public static let config = ProtocolFeatures(rawValue: 1 << 9)
  /// 12: requests in flight are noted in shared memory.
  public static let inflight = ProtocolFeatures(rawValue: 1 << 12)
  /// 13: the front-end may reset the device.
  public static let resetDevice = ProtocolFeatures(rawValue: 1 << 13)
  /// 16: the device has a status, as in its registers.
  public static let status = ProtocolFeatures(rawValue: 1 << 16)

  /// Feature bit 30 of the device: there are protocol features to ask for.
  public static let deviceBit: UInt64 = 1 << 30
}

extension ProtocolFeatures: CustomStringConvertible {
  private static let names: [(ProtocolFeatures, String)] = [
    (.queueCount, "MQ"), (.logSharedMemory, "LOG_SHMFD"), (.replyAck, "REPLY_ACK"),
    (.backendRequests, "BACKEND_REQ"), (.config, "CONFIG"), (.inflight, "INFLIGHT_SHMFD"),
    (.resetDevice, "RESET_DEVICE"), (.status, "STATUS"),
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
