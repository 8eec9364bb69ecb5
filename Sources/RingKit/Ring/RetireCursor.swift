/// The part of a driver's ledger that a reclaim loop works on, held in locals until the loop ends.
///
/// Takes back buffers of one descriptor, which is nearly all of them; whatever is more goes through the ledger itself.
@frozen
@usableFromInline
struct RetireCursor<Mapping: BitwiseCopyable> {
  @usableFromInline let entries: PrivateCells<LedgerEntry>
  @usableFromInline let mappings: PrivateCells<Mapping>
  @usableFromInline let free: PrivateCells<UInt16>
  @usableFromInline let size: UInt16
  @usableFromInline var freeTail: UInt16
  @usableFromInline var returned: RingIndex
  /// Buffers taken back since the cursor was made.
  @usableFromInline var count: UInt16 = 0

  @inlinable @inline(__always)
  init(_ ledger: borrowing DriverLedger<Mapping>) {
    entries = ledger.entries.cells
    mappings = ledger.mappings.cells
    free = ledger.free.cells
    size = ledger.size
    freeTail = ledger.freeTail
    returned = ledger.returned
  }

  /// Frees the slot of a buffer of one descriptor.
  @inlinable @inline(__always)
  mutating func retire(_ slot: UInt16) {
    entries.markIdle(slot)
    free[freeTail] = slot
    let next = freeTail &+ 1
    freeTail = next == size ? 0 : next
    returned = returned.advanced(by: 1)
    count &+= 1
  }

  /// Puts the loop's state back; the cursor is done with then.
  @inlinable @inline(__always)
  func commit(_ ledger: inout DriverLedger<Mapping>) {
    ledger.freeTail = freeTail
    ledger.freeCount &+= count
    ledger.returned = returned
  }
}

extension PrivateCells<LedgerEntry> {
  /// The slot heads no buffer any more; two bytes are stored, not the whole entry.
  @inlinable @inline(__always)
  func markIdle(_ slot: UInt16) {
    assert(Int(slot) < count)
    // SAFETY: slot < count; whoever holds the id has checked it against the queue's size.
    unsafe base[Int(slot)].descriptorCount = 0
  }
}
