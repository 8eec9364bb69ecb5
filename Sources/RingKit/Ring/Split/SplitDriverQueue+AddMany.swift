extension SplitDriverQueue where Mapper: ~Copyable {
  /// Adds up to `count` buffers of one segment each, with everything the loop needs in locals.
  @inlinable @inline(__always)
  public mutating func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int {
    if broken { throw .broken }
    ledger.resumeSequence()
    // Setting the loop up costs more than one buffer.
    if count == 1 {
      if ledger.freeCount == 0 { return 0 }
      let (segment, token) = buffer(0)
      return try add(segment, direction, token: token) == .added ? 1 : 0
    }
    let limit = min(count, Int(ledger.freeCount))
    let descriptors = ring.descriptors
    let (entries, mappings) = (ledger.entries.cells, ledger.mappings.cells)
    let isWritable = direction == .deviceWritable
    let flags = isWritable ? UInt64(DescriptorFlags.write) << 32 : 0
    var added = 0
    while added < limit {
      // To where the ring or the sequence of slots wraps; a slot out of sequence is a run of its own.
      let (place, slot) = (Int(ledger.added.slot(mask: mask)), Int(ledger.nextSlot))
      let run = ledger.isSequential ? min(limit &- added, ring.size &- max(place, slot)) : 1
      // Free descriptors are ours: the device is done with them, so their lines can be taken back ahead of the stores.
      if run > 4 { descriptors.prefetchForWriting(slot &* 16, byteCount: min(2 &* run, Int(ledger.freeCount)) &* 16) }
      let position = ledger.added.rawValue
      var failure: DMAError?
      var i = 0
      while i < run {
        let (segment, token) = buffer(added &+ i)
        do throws(DMAError) {
          if segment.length == 0 { throw .outOfBounds(segment) }
          let (address, mapping) = try mapper.map(segment, direction)
          mappings[slot &+ i] = mapping
          descriptors.store64(address.rawValue, (slot &+ i) &* 16)
        } catch {
          failure = error
          break
        }
        descriptors.store64(UInt64(segment.length) | flags, (slot &+ i) &* 16 &+ 8)
        entries[slot &+ i] = LedgerEntry(
          token: token, capacity: isWritable ? segment.length : 0, run: position, index: i)
        i &+= 1
      }
      makeAvailable(heads: slot, at: place, count: i)
      added &+= i
      ledger.take(UInt16(truncatingIfNeeded: i))
      if let failure { throw .mapping(failure) }
    }
    return added
  }

  /// Puts `count` heads in sequence into the available ring, unless they have stood there for a whole lap.
  @inlinable @inline(__always)
  mutating func makeAvailable(heads first: Int, at place: Int, count: Int) {
    let shift = UInt16(truncatingIfNeeded: first &- place) & mask
    if shift == steadyShift && steadyCount >= UInt32(ring.size) { return }
    let (available, heads) = (ring.available, availableCopy.cells)
    for i in 0..<count {
      let head = UInt16(truncatingIfNeeded: first &+ i)
      if heads[place &+ i] != head {
        heads[place &+ i] = head
        available.store16(head, 4 &+ 2 &* (place &+ i))
      }
    }
    noteShift(shift, UInt32(truncatingIfNeeded: count))
  }

  /// Counts how many heads in a row stood equally far from their places.
  @inlinable @inline(__always)
  mutating func noteShift(_ shift: UInt16, _ count: UInt32) {
    steadyCount = shift == steadyShift ? min(steadyCount &+ count, UInt32(ring.size)) : count
    steadyShift = shift
  }
}
