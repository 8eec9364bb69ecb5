/// One request that came back from a block device.
public struct BlockCompletion: Equatable, Sendable {
  /// What the caller gave with the request.
  public let token: UInt64
  /// Which slot it had, free again.
  public let slot: Int
  /// What the device says of it.
  public let status: BlockStatus
  /// Bytes of data the device wrote, its status not counted.
  public let dataByteCount: UInt32
}
