extension SplitDriverQueue where Mapper: ~Copyable {
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
    let head = inFlightTable.takeSlot()
    inFlightTable.mappings[head] = mapping
    let isWritable = direction == .deviceWritable
    write(head, address, segment.length, isWritable ? DescriptorFlags.write : 0, next: 0)
    inFlightTable.enter(head, token: token, capacity: isWritable ? segment.length : 0, descriptorCount: 1)
    makeAvailable(head)
    return .added
  }

  /// Adds a buffer of several segments: in one slot through an indirect table where that was negotiated and it fits,
  /// else as a chain.
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
    let head = inFlightTable.nextSlot
    let capacity = try chainCapacity(readable, writable)
    let descriptors = ring.descriptors
    try mapList(readable, writable, head) { slot, address in
      descriptors.store64(address.rawValue, Int(slot) &* 16)
    }
    var slot = head
    for i in 0..<count {
      let (isWritable, isLast) = (i >= readable.count, i &+ 1 == count)
      let length = isWritable ? writable[i &- readable.count].length : readable[i].length
      let next = isLast ? 0 : inFlightTable.links[slot] & ~inFlightTable.writable
      let flags = (isWritable ? DescriptorFlags.write : 0) | (isLast ? 0 : DescriptorFlags.next)
      descriptors.store64(
        UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48, Int(slot) &* 16 &+ 8)
      slot = next
    }
    inFlightTable.enterChain(
      head, token: token, capacity: capacity, descriptorCount: UInt16(truncatingIfNeeded: count))
    makeAvailable(head)
    return .added
  }

  @inlinable @inline(__always)
  func write(_ slot: UInt16, _ address: IOVA, _ length: UInt32, _ flags: UInt16, next: UInt16) {
    let offset = Int(slot) &* 16
    ring.descriptors.store64(address.rawValue, offset)
    ring.descriptors.store64(UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48, offset &+ 8)
  }

  @inlinable @inline(__always)
  mutating func makeAvailable(_ head: UInt16) {
    // The entry was just entered, so its number is the one before `added`.
    let slot = inFlightTable.added.advanced(by: 0xffff).slot(mask: mask)
    if availableCopy[slot] != head {
      availableCopy[slot] = head
      ring.available.store16(head, 4 &+ 2 &* Int(slot))
    }
    noteShift((head &- slot) & mask, 1)
  }

  /// Makes everything added since the last call visible, with one store of the available index (S19).
  @inlinable
  public mutating func publish() {
    let count = inFlightTable.unpublished
    if count == 0 { return }
    unannounced &+= UInt64(count)
    inFlightTable.published = inFlightTable.added
    // B1: pairs with B2 in SplitDeviceQueue+Serve.swift.
    ordering.publish16(ring.available, inFlightTable.added.rawValue, at: SplitRing.indexOffset)
  }
}

extension SplitDriverQueue where Mapper: ~Copyable {
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
    let flags = isWritable ? UInt64(DescriptorFlags.write) << 32 : 0
    var added = 0
    while added < limit {
      // To where the ring or the sequence of slots wraps; a slot out of sequence is a run of its own.
      let (index, slot) = (Int(inFlightTable.added.slot(mask: mask)), Int(inFlightTable.nextSlot))
      let run = inFlightTable.isSequential ? min(limit &- added, ring.size &- max(index, slot)) : 1
      // Free descriptors are ours: the device is done with them, so their lines can be taken back ahead of the stores.
      if run > 4 {
        descriptors.prefetchForWriting(slot &* 16, byteCount: min(2 &* run, Int(inFlightTable.freeCount)) &* 16)
      }
      let position = inFlightTable.added.rawValue
      var failure: DMAError?
      var i = 0
      while i < run {
        let (segment, token) = buffer(added &+ i)
        do throws(DMAError) {
          if segment.length == 0 { throw .outOfBounds(segment) }
          let (address, mapping) = try mapper.mapChecked(segment, direction)
          mappings[slot &+ i] = mapping
          descriptors.store64(address.rawValue, (slot &+ i) &* 16)
        } catch {
          failure = error
          break
        }
        descriptors.store64(UInt64(segment.length) | flags, (slot &+ i) &* 16 &+ 8)
        entries[slot &+ i] = InFlightEntry(
          token: token, capacity: isWritable ? segment.length : 0, run: position, index: i)
        i &+= 1
      }
      makeAvailable(heads: slot, at: index, count: i)
      added &+= i
      inFlightTable.take(UInt16(truncatingIfNeeded: i))
      if let failure { throw .mapping(failure) }
    }
    return added
  }

  /// Puts `count` heads in sequence into the available ring, unless they have stood there for a whole lap.
  @inlinable @inline(__always)
  mutating func makeAvailable(heads first: Int, at index: Int, count: Int) {
    let shift = UInt16(truncatingIfNeeded: first &- index) & mask
    if shift == steadyShift && steadyCount >= UInt32(ring.size) { return }
    let (available, heads) = (ring.available, availableCopy.cells)
    for i in 0..<count {
      let head = UInt16(truncatingIfNeeded: first &+ i)
      if heads[index &+ i] != head {
        heads[index &+ i] = head
        available.store16(head, 4 &+ 2 &* (index &+ i))
      }
    }
    noteShift(shift, UInt32(truncatingIfNeeded: count))
  }

  /// Counts how many heads in a row stood equally far from their available-ring slots.
  @inlinable @inline(__always)
  mutating func noteShift(_ shift: UInt16, _ count: UInt32) {
    steadyCount = shift == steadyShift ? min(steadyCount &+ count, UInt32(ring.size)) : count
    steadyShift = shift
  }
}

extension SplitDriverQueue: RingDriver where Mapper: ~Copyable {
  /// S10: each entry's `next` is the entry behind it, whether IN_ORDER asks for it or not.
  @inlinable @inline(__always)
  static func tableWord(length: UInt32, isWritable: Bool, next: Int) -> UInt64 {
    let flags = (isWritable ? DescriptorFlags.write : 0) | (next == 0 ? 0 : DescriptorFlags.next)
    return UInt64(length) | UInt64(flags) << 32 | UInt64(next) << 48
  }

  @inlinable @inline(__always)
  mutating func enterTable(_ head: UInt16, _ address: IOVA, length: UInt32, token: UInt64, capacity: UInt32) {
    write(head, address, length, DescriptorFlags.indirect, next: 0)
    inFlightTable.enterTable(head, token: token, capacity: capacity)
    makeAvailable(head)
  }
}
