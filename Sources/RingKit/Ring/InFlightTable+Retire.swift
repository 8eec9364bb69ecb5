extension InFlightTable {
  /// Takes every segment of a returned buffer back from the device and frees its slots.
  ///
  /// Goes on after a failure, so that one bad unmap does not leak the others; the first failure is thrown. `written` is
  /// the used length, at most the entry's capacity.
  @inlinable @inline(__always)
  mutating func retire<Mapper: DMAMapper & ~Copyable>(
    _ head: UInt16, _ entry: InFlightEntry, written: UInt32, _ mapper: inout Mapper
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    if entry.descriptorCount == 1 && (indirectCapacity == 0 || indirectUse[head] == 0) {
      entries.cells.markIdle(head)
      returned = returned.advanced(by: 1)
      let mapping = mappings[head]
      giveBack(head)
      do throws(DMAError) {
        _ = try mapper.unmapChecked(mapping, entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch { throw .mapping(error) }
    } else {
      try retireChain(head, entry, written: written, &mapper)
    }
  }

  @inlinable @inline(never)
  mutating func retireChain<Mapper: DMAMapper & ~Copyable>(
    _ head: UInt16, _ entry: InFlightEntry, written: UInt32, _ mapper: inout Mapper
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    var failure: DMAError?
    // What the device wrote fills the writable segments in order; the mapper, which knows their lengths, says how far.
    var left = written
    compoundInFlight &-= 1
    entries.cells.markIdle(head)
    returned = returned.advanced(by: 1)
    let use = indirectCapacity > 0 ? indirectUse[head] : 0
    if use != 0 { indirectUse[head] = 0 }
    let (readableCount, base) = (Int(use >> 16), Int(head) &* indirectCapacity)
    // A table has a mapping of its own, before those of its segments.
    let count = use == 0 ? Int(entry.descriptorCount) : 1 &+ readableCount &+ Int(use & 0xffff)
    var slot = head
    for i in 0..<count {
      let (mapping, isWritable): (Mapping, Bool)
      if use != 0 {
        mapping = i == 0 ? mappings[head] : indirectMappings[base &+ i &- 1]
        isWritable = i > readableCount
      } else {
        let link = links[slot]
        (mapping, isWritable) = (mappings[slot], link & writable != 0)
        giveBack(slot)
        slot = link & ~writable
      }
      do throws(DMAError) {
        left &-= try mapper.unmapChecked(
          mapping, isWritable ? .deviceWritable : .deviceReadable, written: isWritable ? left : 0)
      } catch { failure = failure ?? error }
    }
    if use != 0 { giveBack(head) }
    if let failure { throw .mapping(failure) }
  }

  /// Unmaps every buffer in flight and reports its token, oldest first; then forgets everything.
  ///
  /// A buffer whose unmap failed when it came back is reported before them.
  // Rarely called and long: one copy for all mappers is enough.
  @_semantics("optimize.sil.specialize.generic.never")
  mutating func abandon<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ abandoned: (UInt64) -> Void
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    if let unreturned { abandoned(unreturned) }
    settle()
    var heads: [(age: UInt16, slot: UInt16)] = []
    for slot in 0..<size where entries[slot].descriptorCount != 0 {
      heads.append((added.distance(from: RingIndex(entries[slot].position)), slot))
    }
    heads.sort { $0.age > $1.age }
    var failure: QueueError?
    for (_, slot) in heads {
      let entry = entries[slot]
      // The device did not say that it wrote anything.
      do throws(QueueError) { try retire(slot, entry, written: 0, &mapper) } catch { failure = failure ?? error }
      abandoned(entry.token)
    }
    reset()
    if let failure { throw failure }
  }
}

extension InFlightTable {
  /// IN_ORDER: unmaps buffers of one descriptor whose slots are in a row, the oldest first, and writes their
  /// completions.
  ///
  /// Of them, the one with the number `last`, if it is there, is the one that the used entry names, with its written
  /// length; the buffers before it count as used completely. Returns how many were unmapped, and why the next was not.
  @inlinable @inline(__always)
  func unmapRun<Mapper: DMAMapper & ~Copyable>(
    _ slot: Int, _ run: Int, last: Int, written length: UInt32, into done: PrivateCells<Completion>,
    _ mapper: inout Mapper
  ) -> (count: Int, failure: DMAError?) where Mapper.Mapping == Mapping {
    let (entries, mappings) = (entries.cells, mappings.cells)
    var i = 0
    while i < run {
      let entry = entries[slot &+ i]
      // The buffers that were skipped count as used completely.
      let written = i == last ? length : entry.capacity
      do throws(DMAError) {
        _ = try mapper.unmapChecked(
          mappings[slot &+ i], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch { return (i, error) }
      done[i] = Completion(token: entry.token, writtenByteCount: written)
      i &+= 1
    }
    return (i, nil)
  }
}

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
