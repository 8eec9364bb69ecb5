/// Where the parts of a vring are: user addresses of the front-end, or IOVAs with ACCESS_PLATFORM.
public struct VringAddress: Hashable, Sendable {
  /// Which vring.
  public var index: UInt32
  /// Bit 0: writes to the used ring are to be logged (only while a guest migrates).
  public var flags: UInt32
  /// The descriptor table of a split ring, the descriptor ring of a packed one.
  public var descriptors: UInt64
  /// The used ring of a split ring, the device's event suppression of a packed one.
  public var used: UInt64
  /// The available ring of a split ring, the driver's event suppression of a packed one.
  public var available: UInt64
  /// The guest address that writes to the used ring are logged at.
  public var log: UInt64

  /// Bytes of the payload.
  public static let byteCount = 40

  /// The addresses of the vring at `index`.
  public init(
    index: UInt32, flags: UInt32 = 0, descriptors: UInt64, used: UInt64, available: UInt64, log: UInt64 = 0
  ) {
    self.index = index
    self.flags = flags
    self.descriptors = descriptors
    self.used = used
    self.available = available
    self.log = log
  }

  init(_ reader: inout PayloadReader) {
    index = reader.number()
    flags = reader.number()
    descriptors = reader.number()
    used = reader.number()
    available = reader.number()
    log = reader.number()
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    writer.append(index)
    writer.append(flags)
    for address in [descriptors, used, available, log] { writer.append(address) }
    return writer.bytes
  }
}
