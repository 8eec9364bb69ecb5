public import RingKit

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
  /// Deprecated: stop all rings.
  case resetOwner
  /// The guest's memory is this, each entry with the file it lies in.
  case setMemoryTable([MemoryTableEntry], [PassedDescriptor])
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
    }
  }
}
