extension SplitDriverQueue where Mapper: ~Copyable {
  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  @inlinable
  public mutating func nextUsed() throws(QueueError) -> Completion? {
    if broken { throw .broken }
    if usedSeen == ledger.returned {
      guard try observeUsed() else { return nil }
    }
    return try takeUsed()
  }

  /// The next of the buffers that the used index was seen to cover.
  @inlinable @inline(__always)
  mutating func takeUsed() throws(QueueError) -> Completion {
    ledger.settle()
    return isInOrder ? try nextInOrder() : try nextOutOfOrder()
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
  mutating func nextOutOfOrder() throws(QueueError) -> Completion {
    let (id, length, entry) = try usedEntry()
    try retire(id, entry, written: length)
    return Completion(token: entry.token, writtenByteCount: length)
  }

  /// IN_ORDER: one used entry may stand for several buffers, the last of which it names (virtio 1.2, 2.7.9).
  @inlinable @inline(__always)
  mutating func nextInOrder() throws(QueueError) -> Completion {
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

  @inlinable @inline(__always)
  mutating func retire(_ head: UInt16, _ entry: LedgerEntry, written: UInt32) throws(QueueError) {
    do throws(QueueError) { try ledger.retire(head, entry, written: written, &mapper) } catch {
      broken = true
      ledger.unreturned = entry.token
      throw error
    }
  }
}
