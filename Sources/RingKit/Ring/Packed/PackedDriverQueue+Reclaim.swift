extension PackedDriverQueue where Mapper: ~Copyable {
  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  @inlinable
  public mutating func nextUsed() throws(QueueError) -> Completion? {
    if broken { throw .broken }
    if isInOrder { return try nextInOrder() }
    guard let (id, length, entry) = try usedDescriptor() else { return nil }
    used.advance(by: entry.descriptorCount, size: ringSize)
    try retire(id, entry, written: length)
    return Completion(token: entry.token, writtenByteCount: length)
  }

  /// Reads the descriptor at the next used position, once, and finds the buffer it names.
  @inlinable @inline(__always)
  mutating func usedDescriptor() throws(QueueError) -> (id: UInt16, length: UInt32, entry: LedgerEntry)? {
    // With nothing in flight the descriptor there is our own; whatever it says is not a completion.
    if ledger.published == ledger.returned { return nil }
    // B12: pairs with B11 in PackedDeviceQueue+Complete.swift.
    let word = ordering.observe64(ring.descriptors, at: Int(used.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != used.usedFlags { return nil }
    ledger.settle()
    let id = UInt16(truncatingIfNeeded: word >> 32)
    if id >= ringSize { throw fail(RingViolation(.p18, .identifier, UInt64(id), limit: UInt64(ringSize))) }
    let entry = ledger.entries[id]
    if !ledger.isVisible(entry, id) { throw fail(RingViolation(.p18, .notInFlight, UInt64(id))) }
    // The length is reserved, hence ignored, unless the device says that it wrote (virtio 1.2, 2.8.4).
    let length = flags & DescriptorFlags.write != 0 ? UInt32(truncatingIfNeeded: word) : 0
    if length > entry.capacity {
      throw fail(RingViolation(.p21, .length, UInt64(length), limit: UInt64(entry.capacity)))
    }
    return (id, length, entry)
  }

  /// IN_ORDER: one used descriptor may stand for several buffers, the last of which it names (virtio 1.2, 2.8.9).
  @inlinable @inline(__always)
  mutating func nextInOrder() throws(QueueError) -> Completion? {
    if batchRemaining == 0 {
      guard let (id, length, entry) = try usedDescriptor() else { return nil }
      let count = RingIndex(entry.position).distance(from: ledger.returned) &+ 1
      let visible = ledger.published.distance(from: ledger.returned)
      if count > visible { throw fail(RingViolation(.p18, .identifier, UInt64(id), limit: UInt64(visible))) }
      batchRemaining = count
      batchLength = length
    }
    ledger.settle()
    batchRemaining &-= 1
    let head = oldest
    let entry = ledger.entries[head]
    let next = UInt32(head) &+ UInt32(entry.descriptorCount)
    oldest = UInt16(truncatingIfNeeded: next >= UInt32(ringSize) ? next &- UInt32(ringSize) : next)
    used.advance(by: entry.descriptorCount, size: ringSize)
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
