/// A physically contiguous stretch of guest memory: one element of a buffer.
@frozen
public struct MemorySegment: Hashable, Sendable, BitwiseCopyable {
  /// Where it starts.
  public var address: GuestPhysicalAddress
  /// Its size in bytes.
  public var length: UInt32

  /// A segment of `length` bytes at `address`.
  @inlinable
  public init(_ address: GuestPhysicalAddress, length: UInt32) {
    self.address = address
    self.length = length
  }
}
