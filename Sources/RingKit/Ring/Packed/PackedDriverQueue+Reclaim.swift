extension PackedDriverQueue where Mapper: ~Copyable {
  /// The next buffer the device is done with, unmapped; `nil` when there is none.
  @inlinable
  public mutating func nextUsed() throws(QueueError) -> Completion? {
    if broken { throw .broken }
    return try takeUsed()
  }
}

extension PackedDriverQueue where Mapper: ~Copyable {
  /// Unmaps and collects up to `limit` buffers the device is done with.
  ///
  /// A buffer that could not be collected because of an error stays where it is; those before it are in
  /// ``completions``.
  @inlinable @inline(never)
  public mutating func reclaim(atMost limit: Int) throws(QueueError) -> Int {
    // Out of line, so that no caller changes what its loops keep in registers.
    finishedCount = 0
    if broken { throw .broken }
    let limit = min(limit, ring.size)
    while finishedCount < limit {
      if isInOrder {
        if batchRemaining == 0 && inFlightTable.isPlainSequence {
          guard try openBatchInSequence() else { break }
        }
        if batchRemaining != 0 {
          try inFlightTable.isPlainSequence ? reclaimBatchInSequence(limit) : reclaimBatch(limit)
          if batchRemaining == 0 { continue }
        }
      } else {
        // Barriers for hardware cost more than all that is saved there.
        if inFlightTable.isPlainSequence && !ordering.platform {
          if try reclaimSequence(limit) { break }
        }
        if finishedCount != limit && inFlightTable.unpublished == 0 { try reclaimSingles(limit) }
      }
      // The first one that is not a published buffer of one descriptor; or there is none.
      guard finishedCount < limit, let completion = try takeUsed() else { break }
      finished[finishedCount] = completion
      finishedCount &+= 1
    }
    return finishedCount
  }

  /// Collects buffers that come back in the order they were added, as long as they do: id and flags of each used
  /// descriptor are known before it is read.
  ///
  /// - Returns: whether there is nothing more to collect.
  @inlinable @inline(__always)
  mutating func reclaimSequence(_ limit: Int) throws(QueueError) -> Bool {
    let (descriptors, size, isBacklogged) = (ring.descriptors, ring.size, wasBacklogged)
    let (entries, mappings) = (inFlightTable.entries.cells, inFlightTable.mappings.cells)
    let lap = PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.available | DescriptorFlags.used)
    let looked = lap | PackedRing.word(length: 0, id: 0xffff, flags: 0)
    wasBacklogged = false
    while finishedCount < limit {
      if inFlightTable.returned == inFlightTable.published { return true }
      let (start, id) = (Int(used.offset), Int(inFlightTable.oldestSlot))
      // To where the ring or the sequence wraps, so that nothing inside has to look for it.
      let inFlight = Int(inFlightTable.published.distance(from: inFlightTable.returned))
      let run = min(limit &- finishedCount, inFlight, size &- max(start, id))
      // As in PackedDeviceQueue.serve: these lines are about to be written again.
      if isBacklogged { descriptors.prefetchForWriting(start &* 16, byteCount: min(2 &* run, inFlight) &* 16) }
      let expected = PackedRing.word(length: 0, id: UInt16(truncatingIfNeeded: id), flags: used.usedFlags)
      let done = finished.cells.advanced(by: finishedCount)
      var failure: DMAError?
      var word: UInt64 = 0
      var i = 0
      while i < run {
        // B12: pairs with B11 in PackedDeviceQueue+Serve.swift.
        word = descriptors.loadAcquire64((start &+ i) &* 16 &+ 8)
        // The slow path handles what is out of turn and reports errors.
        if (word ^ (expected &+ UInt64(truncatingIfNeeded: i) &<< 32)) & looked != 0 { break }
        let entry = entries[id &+ i]
        var length = UInt32(truncatingIfNeeded: word)
        if length > entry.capacity {
          if Self.saysWritten(word) { break }
          length = 0
        }
        do throws(DMAError) {
          _ = try mapper.unmapChecked(
            mappings[id &+ i], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
        } catch {
          failure = error
          break
        }
        done[i] = Completion(token: entry.token, writtenByteCount: length)
        i &+= 1
      }
      finishedCount &+= i
      used.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
      inFlightTable.retireOldest(UInt16(truncatingIfNeeded: i))
      if let failure { throw abandonOldest(failure) }
      if i != run { return (word ^ expected) & lap != 0 }
    }
    wasBacklogged = true
    return false
  }

  /// Collects buffers of one descriptor as long as they come, with everything the loop needs in locals.
  @inlinable @inline(never)
  mutating func reclaimSingles(_ limit: Int) throws(QueueError) {
    var cursor = RetireCursor(&inFlightTable)
    var position = used
    let (descriptors, published, size) = (ring.descriptors, inFlightTable.published, ringSize)
    let done = finished.cells
    let hasTables = inFlightTable.indirectCapacity > 0
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
        // B12: pairs with B11 in PackedDeviceQueue+Serve.swift.
        let word = ordering.observe64(descriptors, at: offset &+ 8)
        let flags = UInt16(truncatingIfNeeded: word >> 48)
        if flags & (DescriptorFlags.available | DescriptorFlags.used) != lapFlags { break }
        let slot = UInt16(truncatingIfNeeded: word >> 32)
        // The slow path reports the error.
        if slot >= size { break }
        let entry = cursor.entries[slot]
        var length = UInt32(truncatingIfNeeded: word)
        if entry.descriptorCount != 1 { break }
        if length > entry.capacity {
          if Self.saysWritten(word) { break }
          length = 0
        }
        if hasTables && inFlightTable.indirectUse[slot] != 0 { break }
        do throws(DMAError) {
          _ = try mapper.unmapChecked(
            cursor.mappings[slot], entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: length)
        } catch {
          // It is not back, and not the device's either: a reset reports it.
          cursor.retire(slot)
          position.advance(by: UInt16(truncatingIfNeeded: count &- first &+ 1), size: size)
          cursor.commit(&inFlightTable)
          inFlightTable.unreturned = entry.token
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
    cursor.commit(&inFlightTable)
    (used, finishedCount) = (position, count)
  }

  /// IN_ORDER: reads a used descriptor and finds how many buffers it stands for, while ids come in sequence.
  ///
  /// - Returns: false when there is none.
  @inlinable @inline(__always)
  mutating func openBatchInSequence() throws(QueueError) -> Bool {
    let inFlight = inFlightTable.published.distance(from: inFlightTable.returned)
    if inFlight == 0 { return false }
    // B12: pairs with B11 in PackedDeviceQueue+Serve.swift.
    let word = ordering.observe64(ring.descriptors, at: Int(used.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != used.usedFlags { return false }
    let id = UInt16(truncatingIfNeeded: word >> 32)
    if id >= ringSize { throw fail(RingViolation(.p18, .identifier, UInt64(id), limit: UInt64(ringSize))) }
    let count = (id &- inFlightTable.oldestSlot) & (ringSize &- 1) &+ 1
    if count > inFlight { throw fail(RingViolation(.p18, .notInFlight, UInt64(id))) }
    batchLength = try length(word, inFlightTable.entries[id])
    batchRemaining = count
    return true
  }
}

/// What the used descriptors say of the buffers that come back.
extension PackedDriverQueue where Mapper: ~Copyable {
  @inlinable static var usedRule: RingRule { .p18 }

  @inlinable @inline(__always)
  var usableCount: UInt16 { inFlightTable.published.distance(from: inFlightTable.returned) }

  /// Of the descriptor at the next used position, when it is used.
  @inlinable @inline(__always)
  mutating func usedBuffer() throws(QueueError) -> (id: UInt16, length: UInt32, entry: InFlightEntry)? {
    // With nothing in flight the descriptor there is our own; whatever it says is not a completion.
    if inFlightTable.published == inFlightTable.returned { return nil }
    // B12: pairs with B11 in PackedDeviceQueue+Serve.swift.
    let word = ordering.observe64(ring.descriptors, at: Int(used.offset) &* 16 &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != used.usedFlags { return nil }
    inFlightTable.settle()
    let id = UInt16(truncatingIfNeeded: word >> 32)
    if id >= ringSize { throw fail(RingViolation(.p18, .identifier, UInt64(id), limit: UInt64(ringSize))) }
    let entry = inFlightTable.entries[id]
    if !inFlightTable.isVisible(entry, id) { throw fail(RingViolation(.p18, .notInFlight, UInt64(id))) }
    return (id, try length(word, entry), entry)
  }

  /// The bytes that a used descriptor says were written.
  ///
  /// Without WRITE the length is reserved (virtio 1.2, 2.8.4). QEMU never sets that flag and means the length, and
  /// Linux's driver takes it. So one that fits is believed, as it is with the flag, and one that does not is ignored.
  @inlinable @inline(__always)
  mutating func length(_ word: UInt64, _ entry: InFlightEntry) throws(QueueError) -> UInt32 {
    let length = UInt32(truncatingIfNeeded: word)
    if length <= entry.capacity { return length }
    if !Self.saysWritten(word) { return 0 }
    throw fail(RingViolation(.p21, .length, UInt64(length), limit: UInt64(entry.capacity)))
  }

  @inlinable @inline(__always)
  static func saysWritten(_ word: UInt64) -> Bool {
    word & PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.write) != 0
  }

  @inlinable @inline(__always)
  func orderedHead(at position: RingIndex, behind: UInt16) -> UInt16 { head(behind) }

  /// IN_ORDER: the slot so many behind that of the oldest buffer.
  @inlinable @inline(__always)
  func head(_ behind: UInt16) -> UInt16 {
    let next = UInt32(oldest) &+ UInt32(behind)
    return UInt16(truncatingIfNeeded: next >= UInt32(ringSize) ? next &- UInt32(ringSize) : next)
  }

  @inlinable @inline(__always)
  mutating func passUsed(_ descriptors: UInt16) {
    used.advance(by: descriptors, size: ringSize)
    if isInOrder { oldest = head(descriptors) }
  }

  @inlinable @inline(__always)
  func prefetchRun(_ slot: Int, _ count: Int) {
    if count > 4 { ring.descriptors.prefetchForWriting(16 &* Int(used.offset), byteCount: 16 &* count) }
  }
}
