public import RingKit

/// A vring's index and a number that belongs to it: its size, its position, or whether it is enabled.
public struct VringState: Hashable, Sendable {
  /// Which vring.
  public var index: UInt32
  /// The number.
  public var value: UInt32

  /// Bytes of the payload.
  public static let byteCount = 8

  /// A state of the vring at `index`.
  public init(index: UInt32, value: UInt32) {
    self.index = index
    self.value = value
  }

  init(_ reader: inout PayloadReader) {
    index = reader.number()
    value = reader.number()
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    writer.append(index)
    writer.append(value)
    return writer.bytes
  }
}

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

/// A region of the memory table: one range of guest memory, and its offset in its file.
public struct MemoryTableEntry: Hashable, Sendable {
  /// Where the guest has it.
  public var guestAddress: GuestPhysicalAddress
  /// Its size in bytes.
  public var byteCount: UInt64
  /// Where the front-end has it mapped: what vring addresses and IOTLB messages refer to.
  public var userAddress: UInt64
  /// Where in the file behind its descriptor it begins.
  public var fileOffset: UInt64

  /// Bytes of one region in the payload.
  public static let byteCount = 32
  /// Bytes in front of the first.
  static let tableHeaderByteCount = 8

  /// A region.
  public init(guestAddress: GuestPhysicalAddress, byteCount: UInt64, userAddress: UInt64, fileOffset: UInt64 = 0) {
    self.guestAddress = guestAddress
    self.byteCount = byteCount
    self.userAddress = userAddress
    self.fileOffset = fileOffset
  }

  init(_ reader: inout PayloadReader) {
    guestAddress = GuestPhysicalAddress(reader.number())
    byteCount = reader.number()
    userAddress = reader.number()
    fileOffset = reader.number()
  }

  /// The payload of a whole table.
  public static func payload(_ table: [MemoryTableEntry]) -> [UInt8] {
    var writer = PayloadWriter()
    writer.append(UInt32(table.count))
    writer.pad(4)
    for entry in table {
      for word in [entry.guestAddress.rawValue, entry.byteCount, entry.userAddress, entry.fileOffset] {
        writer.append(word)
      }
    }
    return writer.bytes
  }
}

/// A range of the device's configuration space, read or written.
public struct ConfigAccess: Hashable, Sendable {
  /// Where it begins.
  public var offset: UInt32
  /// 0: the driver wrote a field that it may write.
  ///
  /// 1: the front-end restores the space after a migration.
  public var flags: UInt32
  /// The bytes; of a GET request as many as are wanted, whatever they are.
  public var bytes: [UInt8]

  /// Bytes in front of the space's own.
  public static let headerByteCount = 12
  /// The space's greatest size (VHOST_USER_MAX_CONFIG_SIZE).
  public static let mostBytes = 256

  /// An access to `bytes.count` bytes at `offset`.
  public init(offset: UInt32, flags: UInt32 = 0, bytes: [UInt8]) {
    self.offset = offset
    self.flags = flags
    self.bytes = bytes
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    writer.append(offset)
    writer.append(UInt32(bytes.count))
    writer.append(flags)
    writer.append(bytes)
    return writer.bytes
  }
}

/// The shared memory in which a back-end notes what it has not completed ("Inflight I/O tracking").
public struct InflightDescription: Hashable, Sendable {
  /// Its size in bytes; 0 in a request.
  public var byteCount: UInt64
  /// Where in its file it begins.
  public var fileOffset: UInt64
  /// Virtqueues it covers.
  public var queueCount: UInt16
  /// Entries of each.
  public var queueSize: UInt16

  /// Bytes of the payload, with the padding that C gives the structure.
  public static let byteCount = 24
  /// Bytes without it.
  static let packedByteCount = 20

  /// A description, or with no size a request for one.
  public init(byteCount: UInt64 = 0, fileOffset: UInt64 = 0, queueCount: UInt16, queueSize: UInt16) {
    self.byteCount = byteCount
    self.fileOffset = fileOffset
    self.queueCount = queueCount
    self.queueSize = queueSize
  }

  init(_ reader: inout PayloadReader) {
    byteCount = reader.number()
    fileOffset = reader.number()
    queueCount = reader.number()
    queueSize = reader.number()
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    writer.append(byteCount)
    writer.append(fileOffset)
    writer.append(queueCount)
    writer.append(queueSize)
    writer.pad(4)
    return writer.bytes
  }
}
