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
