internal import Glibc
internal import RingIOMMU
public import RingKit
public import RingPlatform

/// Why a connection came to its end, or was not made.
///
/// Everything but the first two and ``system(operation:errno:)`` is something that the peer did wrong.
public enum VhostUserError: Error, Equatable, Sendable {
  /// The peer closed the connection, between two messages.
  case closed
  /// The peer closed the connection inside a message, of which that many bytes came.
  case truncated(byteCount: Int)
  /// The kernel refused `operation`.
  case system(operation: String, errno: Int32)
  /// A header whose version is not 1.
  case version(flags: UInt32)
  /// A header that announces more than any message has.
  case payloadTooLong(request: UInt32, byteCount: UInt32, limit: Int)
  /// More descriptors than a message may carry.
  case tooManyDescriptors(limit: Int)
  /// A request that is not known here.
  case unknownRequest(UInt32)
  /// A reply where a request belongs, or one to nothing that was asked.
  case unexpectedReply(request: UInt32)
  /// So many messages wait, and the peer does not read them.
  case notRead(messages: Int)
  /// So many misses wait for their answers.
  case missesUnanswered(Int)
  /// A payload of the wrong length, in bytes.
  case payloadLength(request: UInt32, byteCount: Int, expected: Int)
  /// The wrong number of descriptors.
  case descriptorCount(request: UInt32, count: Int, expected: Int)
  /// A memory table of too many regions.
  case tooManyRegions(Int, limit: Int)
  /// A vring's file whose word has bits that mean nothing.
  case vringFile(UInt64)
  /// An IOTLB message of no known type, or with permissions that do not exist.
  case iotlbMessage(type: UInt8, permissions: UInt8)
  /// A part of the configuration space that cannot exist.
  case configRange(offset: UInt32, byteCount: UInt32)
  /// A request that needs a protocol feature which was not agreed on.
  case notNegotiated(request: UInt32, feature: ProtocolFeatures)
  /// Features that were not offered.
  case featuresNotOffered(VirtioFeatures)
  /// Protocol features that were not offered.
  case protocolFeaturesNotOffered(ProtocolFeatures)
  /// Features or memory change although a vring runs.
  case vringRuns(index: Int, request: UInt32)
  /// A vring that the device does not have.
  case vringIndex(UInt32, count: Int)
  /// A vring's size that no ring has.
  case vringSize(UInt32, limit: Int)
  /// A vring's position that is not in the ring.
  case vringBase(UInt32)
  /// A vring's part that is not inside one region of memory.
  case vringAddress(index: Int, address: UInt64, byteCount: Int)
  /// A vring that cannot be set up.
  case vring(index: Int, ConfigurationError)
  /// A vring whose memory stands elsewhere than the position that was given.
  case vringPosition(index: Int, UInt32)
  /// A region of the memory table is empty, overlaps another, or is not in its file.
  case memory(MemoryError)
  /// Two regions of the memory table claim the same user address.
  case userAddressOverlap(UInt64)
  /// A descriptor that is not what the request needs.
  case notAnEventFile(request: UInt32)
  /// A descriptor that is no Unix stream socket: the back-end's channel, or one that was passed to this process.
  case notASocket
  /// A translation whose range is empty, wraps or does not lead to memory.
  case translation(IOVA, byteCount: UInt64, userAddress: UInt64)
  /// Inflight memory that does not fit what was agreed on.
  case inflight(String)
  /// A device status with bits that mean nothing.
  case status(UInt64)
  /// A device status that lacks these bits, which its driver had set: only a reset takes bits back.
  case statusCleared(DeviceStatus, from: DeviceStatus)
  /// A log of so many bytes, in which a page does not have a bit that has to.
  case log(byteCount: UInt64, needed: UInt64)
}

extension VhostUserError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .closed: "the peer closed the connection"
    case .truncated(let count): "the peer closed the connection \(count) bytes into a message"
    case .system(let operation, let errno): "\(operation) failed: \(SystemError.text(errno))"
    case .version(let flags): "flags 0x\(String(flags, radix: 16)) are not those of version 1"
    case .payloadTooLong(let request, let count, let limit):
      "request \(request) announces \(count) bytes; no message has more than \(limit)"
    case .tooManyDescriptors(let limit): "more than \(limit) descriptors came with a message"
    case .unknownRequest(let request): "request \(request) is not known"
    case .unexpectedReply(let request): "a reply to request \(request) came that was not asked for"
    case .notRead(let count): "the peer does not read: \(count) messages wait for it"
    case .missesUnanswered(let count): "\(count) misses were not answered"
    case .payloadLength(let request, let count, let expected):
      "request \(request) came with \(count) bytes instead of \(expected)"
    case .descriptorCount(let request, let count, let expected):
      "request \(request) came with \(count) descriptors instead of \(expected)"
    case .tooManyRegions(let count, let limit): "a memory table of \(count) regions; \(limit) are the most"
    case .vringFile(let word): "0x\(String(word, radix: 16)) is no vring's file"
    case .iotlbMessage(let type, let permissions):
      "an IOTLB message of type \(type) with permissions \(permissions) means nothing"
    case .configRange(let offset, let count):
      "\(count) bytes at \(offset) are beyond any configuration space"
    default: sessionDescription
    }
  }
}

extension VhostUserError {
  /// Whether the process, or the machine, has no descriptor or memory left at this moment.
  public var isOfTheMoment: Bool {
    if case .system(_, EMFILE) = self { return true }
    if case .system(_, ENFILE) = self { return true }
    if case .system(_, ENOBUFS) = self { return true }
    if case .system(_, ENOMEM) = self { return true }
    return false
  }
}

extension VhostUserError {
  /// The sentence for what a message of the right form asks for and should not.
  var sessionDescription: String {
    switch self {
    case .notNegotiated(let request, let feature): "request \(request) needs \(feature), which was not agreed on"
    case .featuresNotOffered(let features): "features \(features) were not offered"
    case .protocolFeaturesNotOffered(let features): "protocol features \(features) were not offered"
    case .vringRuns(let index, let request): "request \(request) came while vring \(index) runs"
    case .vringIndex(let index, let count): "vring \(index) does not exist; the device has \(count)"
    case .vringSize(let size, let limit): "a vring of \(size) entries is not possible; \(limit) are the most"
    case .vringBase(let base): "0x\(String(base, radix: 16)) is no position in a ring"
    case .vringAddress(let index, let address, let count):
      "\(count) bytes of vring \(index) at 0x\(String(address, radix: 16)) are not inside one region"
    case .vring(let index, let error): "vring \(index) cannot be set up: \(error)"
    case .vringPosition(let index, let position):
      "vring \(index) does not stand at 0x\(String(position, radix: 16))"
    case .memory(let error): "the memory table is wrong: \(error)"
    case .userAddressOverlap(let address): "two regions claim user address 0x\(String(address, radix: 16))"
    case .notAnEventFile(let request): "the descriptor of request \(request) is no eventfd"
    case .notASocket: "the descriptor is no Unix stream socket"
    case .translation(let address, let count, let user):
      "a translation of \(count) bytes at \(address) to 0x\(String(user, radix: 16)) does not lead to memory"
    case .inflight(let reason): "the inflight memory is wrong: \(reason)"
    case .status(let word): "0x\(String(word, radix: 16)) is no device status: it has bits beyond \(DeviceStatus.known)"
    case .statusCleared(let bits, let before): "a device status without \(bits) came after \(before)"
    case .log(let count, let needed): "a log of \(count) bytes; the guest's pages need \(needed)"
    default: "the connection ended"
    }
  }
}
