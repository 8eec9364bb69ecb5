extension PackedDriverQueue where Mapper: ~Copyable {
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
    let flags = isWritable ? DescriptorFlags.write : 0
    // The word that `publish` stores: of the first descriptor since the last one.
    var held = isHolding ? -1 : 0
    var added = 0
    while added < limit {
      // To where the ring or the sequence of ids wraps; an id out of sequence is a run of its own.
      let (place, id) = (Int(available.offset), Int(ledger.nextSlot))
      let untilWrap = ledger.isSequential ? ring.size &- max(place, id) : 1
      let run = min(limit &- added, untilWrap)
      // Free descriptors are ours: the device is done with them, so their lines can be taken back ahead of the stores.
      if run > 4 { descriptors.prefetchForWriting(place &* 16, byteCount: min(2 &* run, Int(ledger.freeCount)) &* 16) }
      let position = ledger.added.rawValue
      let lap = PackedRing.word(length: 0, id: UInt16(truncatingIfNeeded: id), flags: available.availableFlags | flags)
      var failure: DMAError?
      var i = 0
      while i < run {
        let (segment, token) = buffer(added &+ i)
        do throws(DMAError) {
          if segment.length == 0 { throw .outOfBounds(segment) }
          let (address, mapping) = try mapper.map(segment, direction)
          mappings[id &+ i] = mapping
          descriptors.store64(address.rawValue, (place &+ i) &* 16)
        } catch {
          failure = error
          break
        }
        entries[id &+ i] = LedgerEntry(
          token: token, capacity: isWritable ? segment.length : 0, run: position, index: i)
        let word = lap &+ (UInt64(truncatingIfNeeded: i) &<< 32) | UInt64(segment.length)
        if i == held {
          isHolding = true
          heldOffset = place &* 16 &+ 8
          heldWord = word
        } else {
          descriptors.storeRelease64(word, (place &+ i) &* 16 &+ 8)
        }
        i &+= 1
      }
      added &+= i
      held = -1
      available.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
      ledger.take(UInt16(truncatingIfNeeded: i))
      if let failure { throw .mapping(failure) }
    }
    return added
  }
}
