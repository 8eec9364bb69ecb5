public import RingKit

/// Why a driver and a device in another process did not come together, or parted.
public enum DeviceHandshakeError: Error, Equatable, Sendable {
  /// The other side has closed the connection.
  case closed
  /// The other side said nothing in time.
  case timedOut
  /// A message of this many bytes, which no message has.
  case wrongLength(byteCount: Int)
  /// A message whose first word is not that of a message.
  case wrongHeader(UInt64)
  /// A message of another version of the protocol.
  case wrongVersion(UInt16)
  /// A message that is not due: by its kind.
  case unexpected(kind: UInt16)
  /// A message whose number is not the next one.
  case wrongSequence(expected: UInt64, found: UInt64)
  /// A field that cannot have this value.
  case wrongField(String, UInt64)
  /// As many descriptors came as no message carries.
  case tooManyDescriptors(limit: Int)
  /// Not one descriptor for each region.
  case wrongDescriptors(expected: Int, found: Int)
  /// A region cannot be mapped: overlapping, too short a file, not sealed.
  case memory(MemoryError)
  /// The ring's parts cannot be a ring.
  case ring(ConfigurationError)
  /// A part of a ring, or of what belongs to it, is not in the memory that was passed.
  case outOfBounds(GuestPhysicalAddress, byteCount: Int)
  /// A mapping cannot be entered.
  case mapping(DMAError)
  /// The queue is not where it is said to be: a device that went on there would skip or repeat buffers.
  case wrongPosition(UInt16)
  /// A region of the driver's is private: passing it on is what a secure platform rules out. Or it does not begin with
  /// its file, as the other side would map it.
  case notShared(GuestPhysicalAddress)
  /// The other side refused, for this reason.
  case refused(String)
  /// The kernel did not do it (an errno).
  case system(errno: Int32)
}

extension DeviceHandshakeError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .closed: "the other side closed the connection"
    case .timedOut: "the other side did not answer in time"
    case .wrongLength(let count): "a message of \(count) bytes instead of \(DeviceMessage.byteCount)"
    case .wrongHeader(let word): "a message that begins with 0x\(String(word, radix: 16)), which none does"
    case .wrongVersion(let version): "a message of version \(version) instead of \(DeviceMessage.version)"
    case .unexpected(let kind): "a message of kind \(kind), which is not due"
    case .wrongSequence(let expected, let found): "message \(found) instead of \(expected)"
    case .wrongField(let name, let value): "\(name) cannot be 0x\(String(value, radix: 16))"
    case .tooManyDescriptors(let limit): "more than \(limit) descriptors in one message"
    case .wrongDescriptors(let expected, let found): "\(found) descriptors for \(expected) regions"
    case .memory(let error): error.description
    case .ring(let error): error.description
    case .outOfBounds(let address, let count): "\(count) bytes at \(address) are not in the memory that was passed"
    case .mapping(let error): error.description
    case .wrongPosition(let word): "the queue does not stand at position 0x\(String(word, radix: 16))"
    case .notShared(let address):
      "the region at \(address) is private, or does not begin with its file: it is not passed on"
    case .refused(let reason): "the other side refused: \(reason)"
    case .system(let errno): "the kernel refused: \(SystemError.text(errno))"
    }
  }
}
