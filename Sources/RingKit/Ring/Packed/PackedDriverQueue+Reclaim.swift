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
    var cursor = RetireCursor(ledger)
    var position = used
    let (descriptors, published, size) = (ring.descriptors, ledger.published, ringSize)
    let done = finished.cells
    let hasTables = ledger.indirectCapacity > 0
    var count = finishedCount
    let isBacklogged = wasBacklogged
    while count < limit && cursor.returned != published {
      // Up to the ring's end, so that nothing inside has to look for the wrap.
      let first = count
      let ahead = min(Int(published.distance(from: cursor.returned)), Int(size &- position.offset))
      let run = min(limit, count &+ ahead)
      let (base, lapFlags) = (Int(position.offset) &* 16, position.usedFlags)
      while count < run {
        let offset = base &+ (count &- first) &* 16
        // As in PackedDeviceQueue.serve: these lines are about to be written again.
        if isBacklogged && offset & 63 == 0 { descriptors.prefetchForWriting(offset &+ 128) }
        // B12: pairs with B11 in PackedDeviceQueue+Complete.swift.
        let word = ordering.observe64(descriptors, at: offset &+ 8)
        let flags = UInt16(truncatingIfNeeded: word >> 48)
        if flags & (DescriptorFlags.available | DescriptorFlags.used) != lapFlags { break }
        let slot = UInt16(truncatingIfNeeded: word >> 32)
        // What is wrong with a descriptor that does not pass is for the careful path to say.
        if slot >= size { break }
        let entry = cursor.entries[slot]
        let length = flags & DescriptorFlags.write != 0 ? UInt32(truncatingIfNeeded: word) : 0
        if entry.descriptorCount != 1 || length > entry.capacity { break }
        if hasTables && ledger.indirectUse[slot] != 0 { break }
        do throws(DMAError) {
          _ = try mapper.unmap(
            cursor.mappings[slot], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
        } catch {
          // It is not back, and not the device's either: a reset reports it.
          cursor.retire(slot)
          position.advance(by: UInt16(truncatingIfNeeded: count &- first &+ 1), size: size)
          cursor.commit(&ledger)
          ledger.unreturned = entry.token
          (used, finishedCount) = (position, count)
          throw fail(error)
        }
        cursor.retire(slot)
        done[count] = Completion(token: entry.token, writtenByteCount: length)
        count &+= 1
      }
      position.advance(by: UInt16(truncatingIfNeeded: count &- first), size: size)
      if count < run { break }
    }
    wasBacklogged = count == limit
    cursor.commit(&ledger)
    (used, finishedCount) = (position, count)
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

  /// IN_ORDER: the rest of a batch whose used entry was read and checked, as far as its buffers are single descriptors.
  @inlinable @inline(__always)
  mutating func reclaimBatch(_ limit: Int) throws(QueueError) {
    var cursor = RetireCursor(ledger)
    let done = finished.cells
    let hasTables = ledger.indirectCapacity > 0
    var (count, remaining) = (finishedCount, batchRemaining)
    let length = batchLength
    var (position, head) = (used, oldest)
    let size = ringSize
    while count < limit && remaining != 0 {
      let slot = head
      let entry = cursor.entries[slot]
      if entry.descriptorCount != 1 { break }
      if hasTables && ledger.indirectUse[slot] != 0 { break }
      cursor.retire(slot)
      position.advance(size: size)
      head = head &+ 1 == size ? 0 : head &+ 1
      remaining &-= 1
      // The buffers that were skipped count as used completely.
      let written = remaining == 0 ? length : entry.capacity
      do throws(DMAError) {
        _ = try mapper.unmap(
          cursor.mappings[slot], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch {
        cursor.commit(&ledger)
        ledger.unreturned = entry.token
        (used, oldest) = (position, head)
        (finishedCount, batchRemaining) = (count, remaining)
        throw fail(error)
      }
      done[count] = Completion(token: entry.token, writtenByteCount: written)
      count &+= 1
    }
    cursor.commit(&ledger)
    (used, oldest) = (position, head)
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
