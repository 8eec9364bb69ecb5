/// The part of a driver's ledger that a reclaim loop works on, held in locals until the loop ends.
///
/// Takes back buffers of one descriptor, which is nearly all of them; whatever is more goes through the ledger itself.
@frozen
@usableFromInline
struct RetireCursor<Mapping: BitwiseCopyable> {
  @usableFromInline let entries: PrivateCells<LedgerEntry>
  @usableFromInline let mappings: PrivateCells<Mapping>
  @usableFromInline let free: PrivateCells<UInt16>
  @usableFromInline let freeMask: UInt16
  @usableFromInline var freeTail: UInt16
  @usableFromInline var returned: RingIndex
  @usableFromInline var isSequential: Bool

  @inlinable @inline(__always)
  init(_ ledger: inout DriverLedger<Mapping>) {
    ledger.settle()
    entries = ledger.entries.cells
    mappings = ledger.mappings.cells
    free = ledger.free.cells
    freeMask = ledger.freeMask
    freeTail = ledger.freeTail
    returned = ledger.returned
    isSequential = ledger.isSequential
  }

  /// Frees the slot of a buffer of one descriptor.
  @inlinable @inline(__always)
  mutating func retire(_ slot: UInt16) {
    entries.markIdle(slot)
    free[freeTail & freeMask] = slot
    isSequential = isSequential && slot == freeTail & freeMask
    freeTail &+= 1
    returned = returned.advanced(by: 1)
  }

  /// Puts the loop's state back; the cursor is done with then.
  @inlinable @inline(__always)
  func commit(_ ledger: inout DriverLedger<Mapping>) {
    ledger.freeTail = freeTail
    ledger.returned = returned
    if ledger.isSequential && !isSequential { ledger.endSequence() }
  }
}
