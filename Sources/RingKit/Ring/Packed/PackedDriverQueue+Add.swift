extension PackedDriverQueue where Mapper: ~Copyable {
  /// Adds a buffer of one segment.
  @inlinable @inline(__always)
  public mutating func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult {
    if broken { throw .broken }
    if inFlightTable.freeCount == 0 { return .full }
    if segment.length == 0 { throw .mapping(.outOfBounds(segment)) }
    let address: IOVA
    let mapping: Mapper.Mapping
    do throws(DMAError) {
      (address, mapping) = try mapper.mapChecked(segment, direction)
    } catch { throw .mapping(error) }
    let id = inFlightTable.takeSlot()
    inFlightTable.mappings[id] = mapping
    let isWritable = direction == .deviceWritable
    let flags = available.availableFlags | (isWritable ? DescriptorFlags.write : 0)
    let offset = Int(available.offset) &* 16
    ring.descriptors.store64(address.rawValue, offset)
    makeAvailable(at: offset &+ 8, PackedRing.word(length: segment.length, id: id, flags: flags))
    available.advance(size: ringSize)
    inFlightTable.enter(id, token: token, capacity: isWritable ? segment.length : 0, descriptorCount: 1)
    return .added
  }

  /// Adds a buffer of several segments: in one slot through an indirect table where that was negotiated and it fits,
  /// else as a list.
  @inlinable
  public mutating func add(
    readable: Span<MemorySegment>, writable: Span<MemorySegment>, token: UInt64
  ) throws(QueueError) -> AddResult {
    try addSegments(readable, writable, token)
  }

  @inlinable @inline(never)
  mutating func addList(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    let count = readable.count &+ writable.count
    let id = inFlightTable.nextSlot
    let capacity = try chainCapacity(readable, writable)
    // The addresses mean nothing before the flags do.
    let (descriptors, size) = (ring.descriptors, ringSize)
    var next = available
    try mapList(readable, writable, id) { _, address in
      descriptors.store64(address.rawValue, Int(next.offset) &* 16)
      next.advance(by: 1, size: size)
    }
    // Flags only now: a descriptor whose AVAIL bit has changed may not be touched again (P3), not even to undo it.
    var position = available
    var first: UInt64 = 0
    for i in 0..<count {
      let isWritable = i >= readable.count
      let flags =
        position.availableFlags | (isWritable ? DescriptorFlags.write : 0)
        | (i &+ 1 < count ? DescriptorFlags.next : 0)
      let length = isWritable ? writable[i &- readable.count].length : readable[i].length
      let word = PackedRing.word(length: length, id: id, flags: flags)
      if i == 0 {
        first = word
      } else {
        ring.descriptors.store64(word, Int(position.offset) &* 16 &+ 8)
      }
      position.advance(by: 1, size: ringSize)
    }
    // P10: the first descriptor of the list becomes available last.
    makeAvailable(at: Int(available.offset) &* 16 &+ 8, first)
    available = position
    inFlightTable.enterChain(id, token: token, capacity: capacity, descriptorCount: UInt16(truncatingIfNeeded: count))
    return .added
  }

  /// Writes length, id and flags of a buffer's first descriptor; those of a batch's first are held back until
  /// ``publish()``.
  @inlinable @inline(__always)
  mutating func makeAvailable(at offset: Int, _ word: UInt64) {
    if isHolding {
      ring.descriptors.storeRelease64(word, offset)
    } else {
      isHolding = true
      heldOffset = offset
      heldWord = word
    }
  }

  /// Makes everything added since the last call visible, with one store of the first descriptor's flags (P15).
  @inlinable
  public mutating func publish() {
    if !isHolding { return }
    isHolding = false
    inFlightTable.published = inFlightTable.added
    unannounced &+= UInt64(available.distance(from: published, size: ringSize))
    published = available
    // B9: pairs with B10 in PackedDeviceQueue+Serve.swift.
    ordering.publish64(ring.descriptors, heldWord, at: heldOffset)
  }
}

extension PackedDriverQueue where Mapper: ~Copyable {
  /// Adds up to `count` buffers of one segment each, with everything the loop needs in locals.
  @inlinable @inline(__always)
  public mutating func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int {
    if broken { throw .broken }
    inFlightTable.resumeSequence()
    // Setting the loop up costs more than one buffer.
    if count == 1 {
      if inFlightTable.freeCount == 0 { return 0 }
      let (segment, token) = buffer(0)
      return try add(segment, direction, token: token) == .added ? 1 : 0
    }
    let limit = min(count, Int(inFlightTable.freeCount))
    let descriptors = ring.descriptors
    let (entries, mappings) = (inFlightTable.entries.cells, inFlightTable.mappings.cells)
    let isWritable = direction == .deviceWritable
    let flags = isWritable ? DescriptorFlags.write : 0
    // The word that `publish` stores: of the first descriptor since the last one.
    var held = isHolding ? -1 : 0
    var added = 0
    while added < limit {
      // To where the ring or the sequence of ids wraps; an id out of sequence is a run of its own.
      let (start, id) = (Int(available.offset), Int(inFlightTable.nextSlot))
      let untilWrap = inFlightTable.isSequential ? ring.size &- max(start, id) : 1
      let run = min(limit &- added, untilWrap)
      // Free descriptors are ours: the device is done with them, so their lines can be taken back ahead of the stores.
      if run > 4 {
        descriptors.prefetchForWriting(start &* 16, byteCount: min(2 &* run, Int(inFlightTable.freeCount)) &* 16)
      }
      let position = inFlightTable.added.rawValue
      let lap = PackedRing.word(length: 0, id: UInt16(truncatingIfNeeded: id), flags: available.availableFlags | flags)
      var failure: DMAError?
      var i = 0
      while i < run {
        let (segment, token) = buffer(added &+ i)
        do throws(DMAError) {
          if segment.length == 0 { throw .outOfBounds(segment) }
          let (address, mapping) = try mapper.mapChecked(segment, direction)
          mappings[id &+ i] = mapping
          descriptors.store64(address.rawValue, (start &+ i) &* 16)
        } catch {
          failure = error
          break
        }
        entries[id &+ i] = InFlightEntry(
          token: token, capacity: isWritable ? segment.length : 0, run: position, index: i)
        let word = lap &+ (UInt64(truncatingIfNeeded: i) &<< 32) | UInt64(segment.length)
        if i == held {
          isHolding = true
          heldOffset = start &* 16 &+ 8
          heldWord = word
        } else {
          descriptors.storeRelease64(word, (start &+ i) &* 16 &+ 8)
        }
        i &+= 1
      }
      added &+= i
      held = -1
      available.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
      inFlightTable.take(UInt16(truncatingIfNeeded: i))
      if let failure { throw .mapping(failure) }
    }
    return added
  }
}

extension PackedDriverQueue: RingDriver where Mapper: ~Copyable {
  /// P12: WRITE is the only flag inside a table.
  @inlinable @inline(__always)
  static func tableWord(length: UInt32, isWritable: Bool, next: Int) -> UInt64 {
    PackedRing.word(length: length, id: 0, flags: isWritable ? DescriptorFlags.write : 0)
  }

  @inlinable @inline(__always)
  mutating func enterTable(_ head: UInt16, _ address: IOVA, length: UInt32, token: UInt64, capacity: UInt32) {
    let flags = available.availableFlags | DescriptorFlags.indirect
    let offset = Int(available.offset) &* 16
    ring.descriptors.store64(address.rawValue, offset)
    makeAvailable(at: offset &+ 8, PackedRing.word(length: length, id: head, flags: flags))
    available.advance(size: ringSize)
    inFlightTable.enterTable(head, token: token, capacity: capacity)
  }
}
