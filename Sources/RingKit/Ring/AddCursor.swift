/// The part of a driver's ledger that a loop of adds works on, held in locals until the loop ends.
@frozen
@usableFromInline
struct AddCursor<Mapping: BitwiseCopyable> {
  @usableFromInline let entries: PrivateCells<LedgerEntry>
  @usableFromInline let mappings: PrivateCells<Mapping>
  @usableFromInline let free: PrivateCells<UInt16>
  @usableFromInline let freeMask: UInt16
  @usableFromInline var freeHead: UInt16
  @usableFromInline var added: RingIndex

  @inlinable @inline(__always)
  init(_ ledger: borrowing DriverLedger<Mapping>) {
    entries = ledger.entries.cells
    mappings = ledger.mappings.cells
    free = ledger.free.cells
    freeMask = ledger.freeMask
    freeHead = ledger.freeHead
    added = ledger.added
  }

  /// Takes the next free slot and enters a buffer of one descriptor; the caller has seen that there is one.
  @inlinable @inline(__always)
  mutating func enter(_ mapping: Mapping, token: UInt64, capacity: UInt32) -> UInt16 {
    let slot = free[freeHead & freeMask]
    freeHead &+= 1
    mappings[slot] = mapping
    entries[slot] = LedgerEntry(token: token, capacity: capacity, descriptorCount: 1, position: added.rawValue)
    added = added.advanced(by: 1)
    return slot
  }

  /// Puts the loop's state back; the cursor is done with then.
  @inlinable @inline(__always)
  func commit(_ ledger: inout DriverLedger<Mapping>) {
    ledger.freeHead = freeHead
    ledger.added = added
  }
}
