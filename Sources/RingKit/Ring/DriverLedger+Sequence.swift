/// Slots that come back in the order they were taken.
///
/// That is what IN_ORDER promises and what most devices do without promising it. While it lasts the place in the queue of
/// free slots says the slot: nothing is stored there, nothing is looked up, and a returned buffer needs no mark in the
/// ledger, because what is in flight is a range. The first slot that comes back out of turn ends it.
extension DriverLedger {
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

  /// Marks what was freed without a mark, before anything asks the ledger which slots are in flight.
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
