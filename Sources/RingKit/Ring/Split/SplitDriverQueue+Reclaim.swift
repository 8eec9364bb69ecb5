extension SplitDriverQueue where Mapper: ~Copyable {
  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  @inlinable
  public mutating func nextUsed() throws(QueueError) -> Completion? {
    if broken { throw .broken }
    if usedSeen == ledger.returned {
      guard try observeUsed() else { return nil }
    }
    return isInOrder ? try nextInOrder() : try nextOutOfOrder()
  }

  /// Unmaps and collects up to `limit` buffers the device is done with.
  ///
  /// A buffer that could not be collected because of an error stays where it is; those before it are in
  /// ``completions``.
  @inlinable @inline(__always)
  public mutating func reclaim(atMost limit: Int) throws(QueueError) -> Int {
    finishedCount = 0
    if broken { throw .broken }
    let limit = min(limit, ring.size)
    while finishedCount < limit {
      if isInOrder {
        if batchRemaining != 0 { try reclaimBatch(limit) }
      } else if ledger.unpublished == 0 {
        try reclaimSingles(limit)
      }
      // The first one that is not a published buffer of one descriptor; or there is none.
      guard finishedCount < limit, let completion = try nextUsed() else { break }
      finished[finishedCount] = completion
      finishedCount &+= 1
    }
    return finishedCount
  }

  /// Collects buffers of one descriptor as long as they come, with everything the loop needs in locals.
  @inlinable @inline(__always)
  mutating func reclaimSingles(_ limit: Int) throws(QueueError) {
    if usedSeen == ledger.returned {
      guard try observeUsed() else { return }
    }
    var cursor = RetireCursor(ledger)
    let (used, seen, mask) = (ring.used, usedSeen, mask)
    let done = finished.cells
    let hasTables = ledger.indirectCapacity > 0
    var count = finishedCount
    while count < limit && cursor.returned != seen {
      let offset = 4 &+ 8 &* Int(cursor.returned.slot(mask: mask))
      // What the index covers is written, so fetching ahead takes nothing from the device.
      if offset & 63 == 4 && seen.distance(from: cursor.returned) > 16 { used.prefetchForReading(offset &+ 128) }
      let id = used.load32(offset)
      let length = used.load32(offset &+ 4)
      // What is wrong with an entry that does not pass is for the careful path to say.
      if id > UInt32(mask) { break }
      let slot = UInt16(truncatingIfNeeded: id)
      let entry = cursor.entries[slot]
      if entry.descriptorCount != 1 || length > entry.capacity { break }
      if hasTables && ledger.indirectUse[slot] != 0 { break }
      do throws(DMAError) {
        _ = try mapper.unmap(
          cursor.mappings[slot], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
      } catch {
        // It is not back, and not the device's either: a reset reports it.
        cursor.retire(slot)
        cursor.commit(&ledger)
        ledger.unreturned = entry.token
        finishedCount = count
        throw fail(error)
      }
      cursor.retire(slot)
      done[count] = Completion(token: entry.token, writtenByteCount: length)
      count &+= 1
    }
    cursor.commit(&ledger)
    finishedCount = count
  }

  /// Reads the used index, once, and holds it against what is in flight.
  @inlinable @inline(__always)
  mutating func observeUsed() throws(QueueError) -> Bool {
    // B4: pairs with B3 in SplitDeviceQueue+Complete.swift.
    let index = RingIndex(ordering.observe16(ring.used, at: SplitRing.indexOffset))
    let count = index.distance(from: ledger.returned)
    if count == 0 { return false }
    let visible = ledger.published.distance(from: ledger.returned)
    if count > visible {
      throw fail(RingViolation(.s27, .index, UInt64(index.rawValue), limit: UInt64(visible)))
    }
    usedSeen = index
    return true
  }

  /// Reads the used entry at the next position, each field once, and finds the buffer it names.
  @inlinable @inline(__always)
  mutating func usedEntry() throws(QueueError) -> (id: UInt16, length: UInt32, entry: LedgerEntry) {
    let offset = 4 &+ 8 &* Int(ledger.returned.slot(mask: mask))
    let id = ring.used.load32(offset)
    let length = ring.used.load32(offset &+ 4)
    if id >= UInt32(ring.size) {
      throw fail(RingViolation(.s27, .identifier, UInt64(id), limit: UInt64(ring.size)))
    }
    let slot = UInt16(truncatingIfNeeded: id)
    let entry = ledger.entries[slot]
    if !ledger.isVisible(entry, slot) { throw fail(RingViolation(.s27, .notInFlight, UInt64(id))) }
    if length > entry.capacity {
      throw fail(RingViolation(.s28, .length, UInt64(length), limit: UInt64(entry.capacity)))
    }
    return (slot, length, entry)
  }

  @inlinable @inline(__always)
  mutating func nextOutOfOrder() throws(QueueError) -> Completion? {
    let (id, length, entry) = try usedEntry()
    try retire(id, entry, written: length)
    return Completion(token: entry.token, writtenByteCount: length)
  }

  /// IN_ORDER: one used entry may stand for several buffers, the last of which it names (virtio 1.2, 2.7.9).
  @inlinable @inline(__always)
  mutating func nextInOrder() throws(QueueError) -> Completion? {
    if batchRemaining == 0 {
      let (id, length, entry) = try usedEntry()
      let count = RingIndex(entry.position).distance(from: ledger.returned) &+ 1
      let used = usedSeen.distance(from: ledger.returned)
      if count > used { throw fail(RingViolation(.s27, .identifier, UInt64(id), limit: UInt64(used))) }
      batchRemaining = count
      batchLength = length
    }
    batchRemaining &-= 1
    let head = availableCopy[ledger.returned.slot(mask: mask)]
    let entry = ledger.entries[head]
    // The buffers that were skipped count as used completely.
    let written = batchRemaining == 0 ? batchLength : entry.capacity
    try retire(head, entry, written: written)
    return Completion(token: entry.token, writtenByteCount: written)
  }

  /// IN_ORDER: the rest of a batch whose used entry was read and checked, as far as its buffers are single descriptors.
  @inlinable @inline(__always)
  mutating func reclaimBatch(_ limit: Int) throws(QueueError) {
    var cursor = RetireCursor(ledger)
    let done = finished.cells
    let hasTables = ledger.indirectCapacity > 0
    var (count, remaining) = (finishedCount, batchRemaining)
    let length = batchLength
    let (heads, mask) = (availableCopy.cells, mask)
    while count < limit && remaining != 0 {
      let head = heads[cursor.returned.slot(mask: mask)]
      let entry = cursor.entries[head]
      if entry.descriptorCount != 1 { break }
      if hasTables && ledger.indirectUse[head] != 0 { break }
      cursor.retire(head)
      remaining &-= 1
      // The buffers that were skipped count as used completely.
      let written = remaining == 0 ? length : entry.capacity
      do throws(DMAError) {
        _ = try mapper.unmap(
          cursor.mappings[head], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch {
        cursor.commit(&ledger)
        ledger.unreturned = entry.token
        (finishedCount, batchRemaining) = (count, remaining)
        throw fail(error)
      }
      done[count] = Completion(token: entry.token, writtenByteCount: written)
      count &+= 1
    }
    cursor.commit(&ledger)
    (finishedCount, batchRemaining) = (count, remaining)
  }

  @inlinable @inline(__always)
  mutating func retire(_ head: UInt16, _ entry: LedgerEntry, written: UInt32) throws(QueueError) {
    do throws(QueueError) { try ledger.retire(head, entry, written: written, &mapper) } catch {
      broken = true
      ledger.unreturned = entry.token
      throw error
    }
  }
}
