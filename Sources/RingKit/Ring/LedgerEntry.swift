/// What a driver remembers of one buffer in flight, by the slot of its first descriptor.
///
/// Sixteen bytes: four a line.
@frozen
@usableFromInline
struct LedgerEntry: BitwiseCopyable {
  /// The caller's token.
  @usableFromInline var token: UInt64
  /// Bytes the device may write; a completion that claims more is a lie (S28, P21).
  @usableFromInline var capacity: UInt32
  /// Descriptors of the ring it occupies; 0 when the slot heads no buffer in flight.
  @usableFromInline var descriptorCount: UInt16
  /// Its number in the sequence of buffers added, modulo 65,536.
  @usableFromInline var position: UInt16

  @inlinable
  init(token: UInt64, capacity: UInt32, descriptorCount: UInt16, position: UInt16) {
    self.token = token
    self.capacity = capacity
    self.descriptorCount = descriptorCount
    self.position = position
  }

  @inlinable
  static var idle: LedgerEntry { LedgerEntry(token: 0, capacity: 0, descriptorCount: 0, position: 0) }
}
