internal import RingIOMMU
public import RingKit
public import RingPlatform

/// Why a front-end could not go on.
public enum FrontendError: Error, Equatable, Sendable {
  /// The connection ended, or what came is no message.
  case connection(VhostUserError)
  /// The back-end did not answer a request.
  case unanswered(FrontendRequest, milliseconds: Int)
  /// The back-end answered a request with this number, which is not 0: it did not do it.
  case refused(FrontendRequest, code: UInt64)
  /// A reply to another request than the one that is due (by number), or no reply at all.
  case wrongReply(expected: FrontendRequest, request: UInt32, flags: UInt32)
  /// The back-end does not offer what is needed.
  case missingFeatures(VirtioFeatures, offered: VirtioFeatures)
  /// What the device offers cannot be agreed on: a feature without one that it needs.
  case negotiation(NegotiationError)
  /// The back-end does not offer these extensions, which what is wanted cannot do without.
  case missingProtocolFeatures(ProtocolFeatures, offered: ProtocolFeatures)
  /// The back-end has fewer queues than are wanted.
  case tooFewQueues(wanted: Int, offered: UInt64)
  /// The back-end would not say what stands in the configuration space, or said it of another part.
  case config(offset: Int, byteCount: Int, received: Int?)
  /// The back-end sent something over its channel that is not for it to say.
  case wrongIOTLBMessage(IOTLBMessage)
  /// The memory has no shared region, or more of them than a table holds.
  case regions(Int, limit: Int)
  /// Memory that is shared with the device was taken away.
  case memory(MemoryError)
  /// A vring's part does not lie in shared memory.
  case vringMemory(index: Int, GuestPhysicalAddress)
  /// The memory that the back-end gave for its notes of what is in flight is none.
  case inflight(InflightError)
  /// The back-end says that a vring stopped at a position that is none of its ring.
  case vringBase(index: Int, UInt32)
  /// The back-end says that the device's status has bits that mean nothing.
  case status(UInt64)
}

extension FrontendError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .connection(let error): error.description
    case .unanswered(let request, let time): "the back-end did not answer \(request) within \(time) ms"
    case .refused(let request, let code): "the back-end answered \(request) with \(code)"
    case .wrongReply(let expected, let request, let flags):
      "request \(request) with flags 0x\(String(flags, radix: 16)) came where the reply to \(expected) was due"
    case .missingFeatures(let features, let offered): "the device does not offer \(features); it offers \(offered)"
    case .negotiation(let error): error.description
    case .missingProtocolFeatures(let features, let offered):
      "the back-end does not offer the protocol features \(features); it offers \(offered)"
    case .tooFewQueues(let wanted, let offered): "\(wanted) queues are wanted; the back-end has \(offered)"
    case .config(let offset, let count, nil):
      "the back-end would not say what stands in \(count) bytes at \(offset) of the configuration space"
    case .config(let offset, let count, let received?):
      "\(count) bytes at \(offset) of the configuration space were asked for, \(received) came, or another part"
    case .wrongIOTLBMessage(let message): "the back-end sent an IOTLB message of kind \(message.kind)"
    case .regions(let count, let limit): "\(count) shared regions; a memory table has 1 to \(limit)"
    case .memory(let error): error.description
    case .vringMemory(let index, let address): "vring \(index) has a part at \(address), which is not shared memory"
    case .inflight(let error): error.description
    case .vringBase(let index, let base): "vring \(index) stopped at 0x\(String(base, radix: 16)), which is no position"
    case .status(let word):
      "the device's status is 0x\(String(word, radix: 16)); it has no bits beyond \(DeviceStatus.known)"
    }
  }
}

/// What is wrong with the memory that a back-end gave for its notes of what is in flight.
public enum InflightError: Error, Equatable, Sendable {
  /// It is for other queues than were asked for.
  case shape(queues: UInt16, of: UInt16, wantedQueues: UInt16, wantedSize: UInt16)
  /// So many bytes are too few for the notes, or more than any notes take.
  case byteCount(UInt64, needed: UInt64, limit: UInt64)
  /// The descriptor is of no file that holds it, where it is said to lie.
  case file(VhostUserError)
}

extension InflightError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .shape(let queues, let size, let wantedQueues, let wantedSize):
      "inflight memory for \(queues) queues of \(size) came; \(wantedQueues) of \(wantedSize) were asked for"
    case .byteCount(let count, let needed, let limit):
      "inflight memory of \(count) bytes came; it has \(needed) to \(limit)"
    case .file(.memory(let error)): "the inflight memory's file does not hold it: \(error)"
    case .file(let error): "the inflight memory cannot be used: \(error)"
    }
  }
}
