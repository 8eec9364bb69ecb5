/// A stretch of the device's configuration space, read or written.
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
