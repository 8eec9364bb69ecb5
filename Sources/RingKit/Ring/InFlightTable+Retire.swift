/// Slots that come back in the order they were taken.
///
/// That is what IN_ORDER promises and what most devices do without promising it. While it lasts the index in the
/// queue of free slots is the slot: nothing is stored there, nothing is looked up, and a returned buffer needs no mark
/// in the in-flight table, because what is in flight is a range. The first slot that comes back out of turn ends it.
extension InFlightTable {
  /// The slot that comes back next while the sequence lasts: of the slots taken, the one taken first.
  @inlinable @inline(__always)
  var oldestSlot: UInt16 { freeTail & freeMask }

  /// Whether everything in flight is one descriptor with one mapping, in a row.
  @inlinable @inline(__always)
  var isPlainSequence: Bool { isSequential && compoundInFlight == 0 }

  /// Frees the `count` oldest slots, of buffers of one descriptor that the caller returned; ``isPlainSequence`` held.
  @inlinable @inline(__always)
  mutating func retireOldest(_ count: UInt16) {
    freeTail &+= count
    returned = returned.advanced(by: count)
    // No more than all of them can lack a mark.
    unmarked = count > size &- min(unmarked, size) ? size : unmarked &+ count
  }

  /// Marks what was freed without a mark, before anything asks the in-flight table which slots are in flight.
  @inlinable @inline(__always)
  mutating func settle() {
    if unmarked != 0 { markUnmarked() }
  }

  @inlinable @inline(never)
  mutating func markUnmarked() {
    // Slots that were taken again since have entries of their own.
    for back in 0..<min(unmarked, freeCount) { entries.cells.markIdle(free[(freeTail &- 1 &- back) & freeMask]) }
    unmarked = 0
  }

  @inlinable @inline(never)
  mutating func endSequence() {
    settle()
    isSequential = false
    sequenceEnd = returned
  }

  /// Puts the free slots back in sequence once all are free.
  ///
  /// Not more often than once in `size` buffers, so that a device that never keeps the order does not pay for it.
  @inlinable @inline(__always)
  mutating func resumeSequence() {
    if !isSequential && freeCount == size { renumber() }
  }

  @inlinable @inline(never)
  mutating func renumber() {
    if size != freeMask &+ 1 || returned.distance(from: sequenceEnd) < size { return }
    settle()
    for slot in 0..<size { free[slot] = slot }
    freeHead = 0
    freeTail = size
    isSequential = true
  }
}

/// The part of a driver's in-flight table that a reclaim loop works on, held in locals until the loop ends.
///
/// Takes back buffers of one descriptor, which is nearly all of them; whatever is more goes through the in-flight table
/// itself.
@frozen
@usableFromInline
struct RetireCursor<Mapping: BitwiseCopyable> {
  @usableFromInline let entries: PrivateCells<InFlightEntry>
  @usableFromInline let mappings: PrivateCells<Mapping>
  @usableFromInline let free: PrivateCells<UInt16>
  @usableFromInline let freeMask: UInt16
  @usableFromInline var freeTail: UInt16
  @usableFromInline var returned: RingIndex
  @usableFromInline var isSequential: Bool

  @inlinable @inline(__always)
  init(_ inFlightTable: inout InFlightTable<Mapping>) {
    inFlightTable.settle()
    entries = inFlightTable.entries.cells
    mappings = inFlightTable.mappings.cells
    free = inFlightTable.free.cells
    freeMask = inFlightTable.freeMask
    freeTail = inFlightTable.freeTail
    returned = inFlightTable.returned
    isSequential = inFlightTable.isSequential
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
  func commit(_ inFlightTable: inout InFlightTable<Mapping>) {
    inFlightTable.freeTail = freeTail
    inFlightTable.returned = returned
    if inFlightTable.isSequential && !isSequential { inFlightTable.endSequence() }
  }
}
