/// One buffer that came back from the device.
@frozen
public struct Completion: Equatable, Sendable, BitwiseCopyable {
  /// What the caller gave with the buffer.
  public var token: UInt64
  /// Bytes the device wrote, from the first device-writable segment on; at most what the buffer holds.
  ///
  /// Nothing may be assumed of bytes beyond it (S15).
  public var writtenByteCount: UInt32

  /// A completion of `token`.
  @inlinable
  public init(token: UInt64, writtenByteCount: UInt32) {
    self.token = token
    self.writtenByteCount = writtenByteCount
  }
}
