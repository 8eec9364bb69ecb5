internal import RingKit
internal import RingPlatform

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
    case .getFeatures, .setOwner, .resetOwner, .getProtocolFeatures, .getQueueCount, .resetDevice, .getStatus: ([], [])
    case .setFeatures(let features): (Self.word(features.rawValue), [])
    case .setProtocolFeatures(let features): (Self.word(features.rawValue), [])
    case .setStatus(let status): (Self.word(UInt64(status.rawValue)), [])
    case .setMemoryTable(let table, let files): (MemoryTableEntry.payload(table), files)
    case .setLogBase(let byteCount, let fileOffset, let file): (Self.word(byteCount) + Self.word(fileOffset), [file])
    case .setLogFile(let file): ([], [file])
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

extension FrontendMessage {
  /// Takes a message apart that came from a front-end.
  ///
  /// - Throws: ``VhostUserError`` for a request that is not known here, a payload of another length than the request
  ///   has, another number of descriptors, or values that no request may have.
  public init(_ message: VhostUserMessage) throws(VhostUserError) {
    guard !message.flags.contains(.reply) else { throw .unexpectedReply(request: message.request) }
    guard let request = FrontendRequest(rawValue: message.request) else { throw .unknownRequest(message.request) }
    switch request {
    case .setMemoryTable: self = try Self.memoryTable(message)
    case .setVringKick, .setVringCall, .setVringError: self = try Self.vringFile(request, message)
    case .getConfig: self = .getConfig(try ConfigAccess(message))
    case .setConfig: self = .setConfig(try ConfigAccess(message))
    default:
      try message.check(Self.byteCounts(request), descriptors: Self.descriptorCount(request))
      self = try Self.fixed(request, message)
    }
  }

  private static func byteCounts(_ request: FrontendRequest) -> [Int] {
    switch request {
    case .setFeatures, .setProtocolFeatures, .setStatus: [8]
    case .setLogBase: [16]
    case .setVringSize, .setVringBase, .getVringBase, .setVringEnable: [VringState.byteCount]
    case .setVringAddress: [VringAddress.byteCount]
    case .iotlb: [IOTLBMessage.byteCount, IOTLBMessage.packedByteCount]
    case .getInflight, .setInflight: [InflightDescription.byteCount, InflightDescription.packedByteCount]
    default: [0]
    }
  }

  private static func descriptorCount(_ request: FrontendRequest) -> Int {
    switch request {
    case .setLogBase, .setLogFile, .setBackendChannel, .setInflight: 1
    default: 0
    }
  }

  private static func fixed(
    _ request: FrontendRequest, _ message: VhostUserMessage
  ) throws(VhostUserError) -> FrontendMessage {
    var reader = PayloadReader(message.payload)
    switch request {
    case .getFeatures: return .getFeatures
    case .setFeatures: return .setFeatures(VirtioFeatures(rawValue: reader.number()))
    case .setOwner: return .setOwner
    case .resetOwner: return .resetOwner
    case .setLogBase:
      return .setLogBase(byteCount: reader.number(), fileOffset: reader.number(), message.descriptors[0])
    case .setLogFile: return .setLogFile(message.descriptors[0])
    case .setVringSize: return .setVringSize(VringState(&reader))
    case .setVringAddress: return .setVringAddress(VringAddress(&reader))
    case .setVringBase: return .setVringBase(VringState(&reader))
    case .getVringBase: return .getVringBase(VringState(&reader))
    case .getProtocolFeatures: return .getProtocolFeatures
    case .setProtocolFeatures: return .setProtocolFeatures(ProtocolFeatures(rawValue: reader.number()))
    case .getQueueCount: return .getQueueCount
    case .setVringEnable:
      // Some front-ends send the queue's size: whatever is not 0 enables it, as in other back-ends.
      return .setVringEnable(VringState(&reader))
    case .setBackendChannel: return .setBackendChannel(message.descriptors[0])
    case .iotlb: return .iotlb(try IOTLBMessage(&reader))
    case .getInflight: return .getInflight(InflightDescription(&reader))
    case .setInflight: return .setInflight(InflightDescription(&reader), message.descriptors[0])
    case .resetDevice: return .resetDevice
    case .getStatus: return .getStatus
    case .setStatus:
      let word: UInt64 = reader.number()
      guard let status = DeviceStatus(word: word) else { throw .status(word) }
      return .setStatus(status)
    case .setMemoryTable, .setVringKick, .setVringCall, .setVringError, .getConfig, .setConfig:
      preconditionFailure("requests without a fixed length are taken apart by themselves")
    }
  }

  private static func memoryTable(_ message: VhostUserMessage) throws(VhostUserError) -> FrontendMessage {
    let header = MemoryTableEntry.tableHeaderByteCount
    guard message.payload.count >= header else {
      throw .payloadLength(request: message.request, byteCount: message.payload.count, expected: header)
    }
    var reader = PayloadReader(message.payload)
    let count: UInt32 = reader.number()
    reader.skip(4)
    guard count <= UInt32(VhostUserMessage.mostDescriptors) else {
      throw .tooManyRegions(Int(count), limit: VhostUserMessage.mostDescriptors)
    }
    try message.check([header + Int(count) * MemoryTableEntry.byteCount], descriptors: Int(count))
    let table = (0..<count).map { _ in MemoryTableEntry(&reader) }
    return .setMemoryTable(table, message.descriptors)
  }

  private static func vringFile(
    _ request: FrontendRequest, _ message: VhostUserMessage
  ) throws(VhostUserError) -> FrontendMessage {
    guard message.payload.count == 8 else {
      throw .payloadLength(request: message.request, byteCount: message.payload.count, expected: 8)
    }
    var reader = PayloadReader(message.payload)
    let word: UInt64 = reader.number()
    guard word & ~0x1ff == 0 else { throw .vringFile(word) }
    try message.check([8], descriptors: word & noDescriptor == 0 ? 1 : 0)
    let (index, file) = (Int(word & 0xff), message.descriptors.first)
    switch request {
    case .setVringKick: return .setVringKick(index: index, file)
    case .setVringCall: return .setVringCall(index: index, file)
    default: return .setVringError(index: index, file)
    }
  }
}
