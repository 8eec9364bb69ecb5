extension SplitDriverQueue where Mapper: ~Copyable {
  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  @inlinable
  public mutating func nextUsed() throws(QueueError) -> Completion? {
    if broken { throw .broken }
    if usedSeen == inFlightTable.returned {
      guard try observeUsed() else { return nil }
    }
    return try takeUsed()
  }

  /// Reads the used index, once, and holds it against what is in flight.
  @inlinable @inline(__always)
  mutating func observeUsed() throws(QueueError) -> Bool {
    // B4: pairs with B3 in SplitDeviceQueue+Serve.swift.
    let index = RingIndex(ordering.observe16(ring.used, at: SplitRing.indexOffset))
    let count = index.distance(from: inFlightTable.returned)
    if count == 0 { return false }
    let visible = inFlightTable.published.distance(from: inFlightTable.returned)
    if count > visible {
      throw fail(RingViolation(.s27, .index, UInt64(index.rawValue), limit: UInt64(visible)))
    }
    usedSeen = index
    // The lines that are written next, which the device has read, come while the driver looks at what came back.
    ring.descriptors.takeLine(16 &* Int(inFlightTable.freeHead & inFlightTable.freeMask))
    ring.available.takeLine(SplitRing.indexOffset)
    return true
  }
}

extension SplitDriverQueue where Mapper: ~Copyable {
  /// Unmaps and collects up to `limit` buffers the device is done with.
  ///
  /// Looks at the used index at most once, and only when everything it covered before is collected. A buffer that could
  /// not be collected because of an error stays where it is; those before it are in ``completions``.
  @inlinable @inline(never)
  public mutating func reclaim(atMost limit: Int) throws(QueueError) -> Int {
    // Out of line, so that no caller changes what its loops keep in registers.
    finishedCount = 0
    if broken { throw .broken }
    let limit = min(limit, ring.size)
    var hasLooked = false
    while finishedCount < limit {
      if usedSeen == inFlightTable.returned {
        if hasLooked { break }
        hasLooked = true
        guard try observeUsed() else { break }
      }
      let opensBatch = isInOrder && inFlightTable.isPlainSequence
      if isInOrder {
        if batchRemaining == 0 && opensBatch { try openBatchInSequence() }
        if batchRemaining != 0 { try opensBatch ? reclaimBatchInSequence(limit) : reclaimBatch(limit) }
      } else {
        if inFlightTable.isPlainSequence { try reclaimSequence(limit) }
        if finishedCount != limit && usedSeen != inFlightTable.returned && inFlightTable.unpublished == 0 {
          try reclaimSingles(limit)
        }
      }
      if finishedCount == limit || usedSeen == inFlightTable.returned || opensBatch { continue }
      // One that is not a published buffer of one descriptor, or that something is wrong with.
      guard let completion = try takeUsed() else { break }
      finished[finishedCount] = completion
      finishedCount &+= 1
    }
    return finishedCount
  }

  /// Collects buffers that come back in the order they were added, as long as they do: what each used entry has to say
  /// is known before it is read.
  @inlinable @inline(__always)
  mutating func reclaimSequence(_ limit: Int) throws(QueueError) {
    let (used, seen, mask, size) = (ring.used, usedSeen, mask, ring.size)
    let (entries, mappings) = (inFlightTable.entries.cells, inFlightTable.mappings.cells)
    while finishedCount < limit && inFlightTable.returned != seen {
      let (index, slot) = (Int(inFlightTable.returned.slot(mask: mask)), Int(inFlightTable.oldestSlot))
      // To where the ring or the sequence wraps, so that nothing inside has to look for it.
      let run = min(limit &- finishedCount, Int(seen.distance(from: inFlightTable.returned)), size &- max(index, slot))
      let (offset, done) = (4 &+ 8 &* index, finished.cells.advanced(by: finishedCount))
      // What the index covers is written, so fetching ahead takes nothing from the device.
      let ahead = min(2 &* run, Int(seen.distance(from: inFlightTable.returned)))
      if ahead > 4 {
        used.prefetchForReading(offset, byteCount: 8 &* ahead)
      }
      var failure: DMAError?
      var i = 0
      while i < run {
        let id = used.load32(offset &+ 8 &* i)
        let length = used.load32(offset &+ 8 &* i &+ 4)
        let entry = entries[slot &+ i]
        // The slow path handles what is out of turn and reports errors.
        if id != UInt32(truncatingIfNeeded: slot &+ i) || length > entry.capacity { break }
        do throws(DMAError) {
          _ = try mapper.unmapChecked(
            mappings[slot &+ i], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
        } catch {
          failure = error
          break
        }
        done[i] = Completion(token: entry.token, writtenByteCount: length)
        i &+= 1
      }
      finishedCount &+= i
      inFlightTable.retireOldest(UInt16(truncatingIfNeeded: i))
      if let failure { throw abandonOldest(failure) }
      if i != run { return }
    }
  }

  /// Collects buffers of one descriptor as long as they come, with everything the loop needs in locals.
  @inlinable @inline(never)
  mutating func reclaimSingles(_ limit: Int) throws(QueueError) {
    var cursor = RetireCursor(&inFlightTable)
    let (used, seen, mask) = (ring.used, usedSeen, mask)
    let done = finished.cells
    let hasTables = inFlightTable.indirectCapacity > 0
    var count = finishedCount
    while count < limit && cursor.returned != seen {
      let offset = 4 &+ 8 &* Int(cursor.returned.slot(mask: mask))
      // What the index covers is written, so fetching ahead takes nothing from the device.
      if offset & 63 == 4 && seen.distance(from: cursor.returned) > 16 { used.prefetchForReading(offset &+ 128) }
      let id = used.load32(offset)
      let length = used.load32(offset &+ 4)
      // The slow path reports the error.
      if id > UInt32(mask) { break }
      let slot = UInt16(truncatingIfNeeded: id)
      let entry = cursor.entries[slot]
      if entry.descriptorCount != 1 || length > entry.capacity { break }
      if hasTables && inFlightTable.indirectUse[slot] != 0 { break }
      do throws(DMAError) {
        _ = try mapper.unmapChecked(
          cursor.mappings[slot], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
      } catch {
        // It is not back, and not the device's either: a reset reports it.
        cursor.retire(slot)
        cursor.commit(&inFlightTable)
        inFlightTable.unreturned = entry.token
        finishedCount = count
        throw fail(error)
      }
      cursor.retire(slot)
      done[count] = Completion(token: entry.token, writtenByteCount: length)
      count &+= 1
    }
    cursor.commit(&inFlightTable)
    finishedCount = count
  }

  /// IN_ORDER: reads a used entry and finds how many buffers it stands for, while slots come in sequence.
  @inlinable @inline(__always)
  mutating func openBatchInSequence() throws(QueueError) {
    let offset = 4 &+ 8 &* Int(inFlightTable.returned.slot(mask: mask))
    let id = ring.used.load32(offset)
    let length = ring.used.load32(offset &+ 4)
    if id > UInt32(mask) { throw fail(RingViolation(.s27, .identifier, UInt64(id), limit: UInt64(ring.size))) }
    let slot = UInt16(truncatingIfNeeded: id)
    let count = (slot &- inFlightTable.oldestSlot) & mask &+ 1
    if count > inFlightTable.published.distance(from: inFlightTable.returned) {
      throw fail(RingViolation(.s27, .notInFlight, UInt64(id)))
    }
    let capacity = inFlightTable.entries[slot].capacity
    if length > capacity { throw fail(RingViolation(.s28, .length, UInt64(length), limit: UInt64(capacity))) }
    let used = usedSeen.distance(from: inFlightTable.returned)
    // The next batch's entry, if there is one, stands where this batch ends.
    if used > count {
      ring.used.prefetchForReading(4 &+ 8 &* Int(inFlightTable.returned.advanced(by: count).slot(mask: mask)))
    }
    if count > used { throw fail(RingViolation(.s27, .identifier, UInt64(id), limit: UInt64(used))) }
    batchRemaining = count
    batchLength = length
  }
}

/// What the used ring says of the buffers that come back.
extension SplitDriverQueue where Mapper: ~Copyable {
  @inlinable static var usedRule: RingRule { .s27 }

  @inlinable @inline(__always)
  var usableCount: UInt16 { usedSeen.distance(from: inFlightTable.returned) }

  /// Of a used entry that the used index was seen to cover.
  @inlinable @inline(__always)
  mutating func usedBuffer() throws(QueueError) -> (id: UInt16, length: UInt32, entry: InFlightEntry)? {
    inFlightTable.settle()
    let offset = 4 &+ 8 &* Int(inFlightTable.returned.slot(mask: mask))
    let id = ring.used.load32(offset)
    let length = ring.used.load32(offset &+ 4)
    if id >= UInt32(ring.size) {
      throw fail(RingViolation(.s27, .identifier, UInt64(id), limit: UInt64(ring.size)))
    }
    let slot = UInt16(truncatingIfNeeded: id)
    let entry = inFlightTable.entries[slot]
    if !inFlightTable.isVisible(entry, slot) { throw fail(RingViolation(.s27, .notInFlight, UInt64(id))) }
    if length > entry.capacity {
      throw fail(RingViolation(.s28, .length, UInt64(length), limit: UInt64(entry.capacity)))
    }
    return (slot, length, entry)
  }

  @inlinable @inline(__always)
  func orderedHead(at position: RingIndex, behind: UInt16) -> UInt16 { availableCopy[position.slot(mask: mask)] }

  /// The used index says it.
  @inlinable @inline(__always)
  mutating func passUsed(_ descriptors: UInt16) {}

  @inlinable @inline(__always)
  func prefetchRun(_ slot: Int, _ count: Int) {
    let ahead = min(2 &* count, Int(usableCount))
    if ahead > 4 { ring.descriptors.prefetchForWriting(16 &* slot, byteCount: 16 &* ahead) }
  }
}
