/// How a buffer comes back, whatever the layout.
extension RingDriver where Self: ~Copyable {
  /// The next buffer the device is done with, unmapped.
  @inlinable @inline(__always)
  mutating func takeUsed() throws(QueueError) -> Completion? {
    if isInOrder { return try takeUsedInOrder() }
    guard let (id, length, entry) = try usedBuffer() else { return nil }
    passUsed(entry.descriptorCount)
    try retire(id, entry, written: length)
    return Completion(token: entry.token, writtenByteCount: length)
  }

  /// IN_ORDER: one used entry may stand for several buffers, the last of which it names (virtio 1.2, 2.7.9 and 2.8.9).
  @inlinable @inline(__always)
  mutating func takeUsedInOrder() throws(QueueError) -> Completion? {
    if batchRemaining == 0 {
      guard let (id, length, entry) = try usedBuffer() else { return nil }
      let count = RingIndex(entry.position).distance(from: inFlightTable.returned) &+ 1
      let limit = usableCount
      if count > limit { throw fail(RingViolation(Self.usedRule, .identifier, UInt64(id), limit: UInt64(limit))) }
      batchRemaining = count
      batchLength = length
    }
    inFlightTable.settle()
    batchRemaining &-= 1
    let head = orderedHead(at: inFlightTable.returned, behind: 0)
    let entry = inFlightTable.entries[head]
    passUsed(entry.descriptorCount)
    // The buffers that were skipped count as used completely.
    let written = batchRemaining == 0 ? batchLength : entry.capacity
    try retire(head, entry, written: written)
    return Completion(token: entry.token, writtenByteCount: written)
  }

  /// Takes every segment of a returned buffer back from the device and frees its slots.
  ///
  /// Goes on after a failure, so that one bad unmap does not leak the others; the first failure is thrown. `written` is
  /// the used length, at most the entry's capacity.
  @inlinable @inline(__always)
  mutating func retire(_ head: UInt16, _ entry: InFlightEntry, written: UInt32) throws(QueueError) {
    do throws(DMAError) {
      if entry.descriptorCount == 1 && (inFlightTable.indirectCapacity == 0 || inFlightTable.indirectUse[head] == 0) {
        let mapping = inFlightTable.giveBackSingle(head)
        _ = try mapper.unmapChecked(mapping, entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } else {
        try retireChain(head, entry, written: written)
      }
    } catch {
      inFlightTable.unreturned = entry.token
      throw fail(error)
    }
  }

  @inlinable @inline(never)
  mutating func retireChain(_ head: UInt16, _ entry: InFlightEntry, written: UInt32) throws(DMAError) {
    var failure: DMAError?
    // What the device wrote fills the writable segments in order; the mapper, which knows their lengths, says how far.
    var left = written
    let use = inFlightTable.beginReturn(ofChain: head)
    let (readableCount, base) = (Int(use >> 16), Int(head) &* inFlightTable.indirectCapacity)
    // A table has a mapping of its own, before those of its segments.
    let count = use == 0 ? Int(entry.descriptorCount) : 1 &+ readableCount &+ Int(use & 0xffff)
    var slot = head
    for i in 0..<count {
      let (mapping, isWritable): (Mapper.Mapping, Bool)
      if use != 0 {
        mapping = i == 0 ? inFlightTable.mappings[head] : inFlightTable.indirectMappings[base &+ i &- 1]
        isWritable = i > readableCount
      } else {
        let link = inFlightTable.links[slot]
        (mapping, isWritable) = (inFlightTable.mappings[slot], link & inFlightTable.writable != 0)
        inFlightTable.giveBack(slot)
        slot = link & ~inFlightTable.writable
      }
      do throws(DMAError) {
        left &-= try mapper.unmapChecked(
          mapping, isWritable ? .deviceWritable : .deviceReadable, written: isWritable ? left : 0)
      } catch { failure = failure ?? error }
    }
    if use != 0 { inFlightTable.giveBack(head) }
    if let failure { throw failure }
  }

  /// The oldest buffer could not be unmapped: it is not back, and not the device's either; a reset reports it.
  @inlinable @inline(never)
  mutating func abandonOldest(_ error: DMAError) -> QueueError {
    inFlightTable.unreturned = inFlightTable.entries[inFlightTable.oldestSlot].token
    inFlightTable.retireOldest(1)
    passUsed(1)
    return fail(error)
  }

  /// Unmaps every buffer in flight and reports its token, oldest first; then forgets everything.
  ///
  /// A buffer whose unmap failed when it came back is reported before them.
  // Rarely called and long: one copy for all mappers is enough.
  @_semantics("optimize.sil.specialize.generic.never")
  mutating func abandon(_ abandoned: (UInt64) -> Void) throws(QueueError) {
    (unannounced, batchRemaining, finishedCount) = (0, 0, 0)
    if let unreturned = inFlightTable.unreturned { abandoned(unreturned) }
    inFlightTable.settle()
    var heads: [(age: UInt16, slot: UInt16)] = []
    for slot in 0..<inFlightTable.size where inFlightTable.entries[slot].descriptorCount != 0 {
      heads.append((inFlightTable.added.distance(from: RingIndex(inFlightTable.entries[slot].position)), slot))
    }
    heads.sort { $0.age > $1.age }
    var failure: QueueError?
    for (_, slot) in heads {
      let entry = inFlightTable.entries[slot]
      // The device did not say that it wrote anything.
      do throws(QueueError) { try retire(slot, entry, written: 0) } catch { failure = failure ?? error }
      abandoned(entry.token)
    }
    inFlightTable.reset()
    broken = false
    if let failure { throw failure }
  }
}

/// IN_ORDER: what is left of a batch whose used entry was read and checked.
extension RingDriver where Self: ~Copyable {
  /// Collects it as far as its buffers are single descriptors.
  @inlinable @inline(never)
  mutating func reclaimBatch(_ limit: Int) throws(QueueError) {
    var cursor = RetireCursor(&inFlightTable)
    let done = finished.cells
    let hasTables = inFlightTable.indirectCapacity > 0
    var (count, remaining) = (finishedCount, batchRemaining)
    let (length, first) = (batchLength, finishedCount)
    var failure: DMAError?
    while count < limit && remaining != 0 {
      let head = orderedHead(at: cursor.returned, behind: UInt16(truncatingIfNeeded: count &- first))
      let entry = cursor.entries[head]
      if entry.descriptorCount != 1 { break }
      if hasTables && inFlightTable.indirectUse[head] != 0 { break }
      cursor.retire(head)
      remaining &-= 1
      // The buffers that were skipped count as used completely.
      let written = remaining == 0 ? length : entry.capacity
      do throws(DMAError) {
        _ = try mapper.unmapChecked(
          cursor.mappings[head], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch {
        // It is not back, and not the device's either: a reset reports it.
        inFlightTable.unreturned = entry.token
        failure = error
        break
      }
      done[count] = Completion(token: entry.token, writtenByteCount: written)
      count &+= 1
    }
    cursor.commit(&inFlightTable)
    passUsed(batchRemaining &- remaining)
    (finishedCount, batchRemaining) = (count, remaining)
    if let failure { throw fail(failure) }
  }

  /// Collects it while slots come in sequence.
  @inlinable @inline(__always)
  mutating func reclaimBatchInSequence(_ limit: Int) throws(QueueError) {
    while finishedCount < limit && batchRemaining != 0 {
      let slot = Int(inFlightTable.oldestSlot)
      let run = min(limit &- finishedCount, Int(batchRemaining), size &- slot)
      prefetchRun(slot, run)
      let (i, failure) = mapper.unmapRun(
        inFlightTable.entries.cells.advanced(by: slot), inFlightTable.mappings.cells.advanced(by: slot), run,
        last: Int(batchRemaining) &- 1, written: batchLength, into: finished.cells.advanced(by: finishedCount))
      let count = UInt16(truncatingIfNeeded: i)
      finishedCount &+= i
      batchRemaining &-= count
      passUsed(count)
      inFlightTable.retireOldest(count)
      if let failure {
        batchRemaining &-= 1
        throw abandonOldest(failure)
      }
    }
  }
}

extension DMAMapper where Self: ~Copyable {
  /// IN_ORDER: unmaps buffers of one descriptor in a row, the oldest first, and writes their completions.
  ///
  /// Of them, the one with the number `last`, if it is there, is the one that the used entry names, with its written
  /// length; the buffers before it count as used completely. Returns how many were unmapped, and why the next was not.
  @inlinable @inline(__always)
  mutating func unmapRun(
    _ entries: PrivateCells<InFlightEntry>, _ mappings: PrivateCells<Mapping>, _ run: Int, last: Int,
    written length: UInt32, into done: PrivateCells<Completion>
  ) -> (count: Int, failure: DMAError?) {
    var i = 0
    while i < run {
      let entry = entries[i]
      // The buffers that were skipped count as used completely.
      let written = i == last ? length : entry.capacity
      do throws(DMAError) {
        _ = try unmapChecked(
          mappings[i], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch { return (i, error) }
      done[i] = Completion(token: entry.token, writtenByteCount: written)
      i &+= 1
    }
    return (i, nil)
  }
}
