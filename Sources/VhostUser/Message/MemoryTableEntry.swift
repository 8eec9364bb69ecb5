public import RingKit

/// A region of the memory table: one stretch of guest memory, and where in its file it begins.
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
