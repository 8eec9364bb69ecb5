/// What a driver remembers of one buffer in flight, by the slot of its first descriptor.
///
/// Two words, so that an entry is two stores and four of them are a line.
@frozen
@usableFromInline
struct LedgerEntry: BitwiseCopyable {
  /// The caller's token.
  @usableFromInline var token: UInt64
  // Capacity in the low half, then descriptor count, then position.
  @usableFromInline var word: UInt64

  @inlinable @inline(__always)
  init(token: UInt64, capacity: UInt32, descriptorCount: UInt16, position: UInt16) {
    self.token = token
    word = UInt64(capacity) | UInt64(descriptorCount) << 32 | UInt64(position) << 48
  }

  /// An entry of one descriptor, the `index`th of a run that began at `position`: one addition from entry to entry.
  @inlinable @inline(__always)
  init(token: UInt64, capacity: UInt32, run position: UInt16, index: Int) {
    self.token = token
    let first = UInt64(1) << 32 | UInt64(position) << 48
    word = first &+ UInt64(truncatingIfNeeded: index) &<< 48 &+ UInt64(capacity)
  }

  /// Bytes the device may write; a completion that claims more is a lie (S28, P21).
  @inlinable @inline(__always)
  var capacity: UInt32 { UInt32(truncatingIfNeeded: word) }

  /// Descriptors of the ring it occupies; 0 when the slot heads no buffer in flight.
  @inlinable @inline(__always)
  var descriptorCount: UInt16 { UInt16(truncatingIfNeeded: word >> 32) }

  /// Its number in the sequence of buffers added, modulo 65,536.
  @inlinable @inline(__always)
  var position: UInt16 { UInt16(truncatingIfNeeded: word >> 48) }

  @inlinable
  static var idle: LedgerEntry { LedgerEntry(token: 0, capacity: 0, descriptorCount: 0, position: 0) }
}

extension PrivateCells<LedgerEntry> {
  /// The slot heads no buffer any more; one word is stored, not the whole entry.
  @inlinable @inline(__always)
  func markIdle(_ slot: UInt16) {
    assert(Int(slot) < count)
    // SAFETY: slot < count; whoever holds the id has checked it against the queue's size.
    unsafe base[Int(slot)].word = 0
  }
}
