extension SplitDriverQueue where Mapper: ~Copyable {
  /// Adds a buffer of one segment.
  @inlinable @inline(__always)
  public mutating func add(
    _ segment: MemorySegment, _ direction: DMADirection, token: UInt64
  ) throws(QueueError) -> AddResult {
    if broken { throw .broken }
    if ledger.freeCount == 0 { return .full }
    if segment.length == 0 { throw .mapping(.outOfBounds(segment)) }
    let address: IOVA
    let mapping: Mapper.Mapping
    do throws(DMAError) { (address, mapping) = try mapper.map(segment, direction) } catch { throw .mapping(error) }
    let head = ledger.takeSlot()
    ledger.mappings[head] = mapping
    let isWritable = direction == .deviceWritable
    write(head, address, segment.length, isWritable ? DescriptorFlags.write : 0, next: 0)
    ledger.enter(head, token: token, capacity: isWritable ? segment.length : 0, descriptorCount: 1)
    makeAvailable(head)
    return .added
  }

  /// Adds a buffer of several segments: in one slot through an indirect table where that was negotiated and it fits,
  /// else as a chain.
  @inlinable
  public mutating func add(
    readable: Span<MemorySegment>, writable: Span<MemorySegment>, token: UInt64
  ) throws(QueueError) -> AddResult {
    if broken { throw .broken }
    let count = readable.count &+ writable.count
    guard count >= 1, count <= ring.size else { throw .invalidChain(segments: count, maximum: ring.size) }
    if count > 1 && count <= ledger.indirectCapacity && ledger.freeCount > 0 {
      return try addIndirect(readable, writable, token)
    }
    if count > Int(ledger.freeCount) { return .full }
    return try addChain(readable, writable, token)
  }

  @inlinable @inline(never)
  mutating func addChain(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    // A slot within the chain heads nothing, and its entry has to say so.
    ledger.settle()
    let count = readable.count &+ writable.count
    let head = ledger.nextSlot
    var previous: (slot: UInt16, address: IOVA, length: UInt32, flags: UInt16)?
    let capacity = try chainCapacity(readable, writable)
    for i in 0..<count {
      let isWritable = i >= readable.count
      let segment = isWritable ? writable[i &- readable.count] : readable[i]
      let direction: DMADirection = isWritable ? .deviceWritable : .deviceReadable
      do throws(DMAError) {
        if segment.length == 0 { throw .outOfBounds(segment) }
        let (address, mapping) = try mapper.map(segment, direction)
        let slot = ledger.takeSlot()
        ledger.mappings[slot] = mapping
        ledger.links[slot] = isWritable ? ledger.writable : 0
        if let previous {
          ledger.links[previous.slot] = ledger.links[previous.slot] | slot
          write(previous.slot, previous.address, previous.length, previous.flags | DescriptorFlags.next, next: slot)
        }
        previous = (slot, address, segment.length, isWritable ? DescriptorFlags.write : 0)
      } catch {
        try unwind(head, mapped: UInt16(i), because: error)
      }
    }
    if let previous { write(previous.slot, previous.address, previous.length, previous.flags, next: 0) }
    ledger.enterChain(
      head, token: token, capacity: capacity, descriptorCount: UInt16(truncatingIfNeeded: count))
    makeAvailable(head)
    return .added
  }

  /// Gives up a chain whose segments are mapped only in part.
  ///
  /// Nothing of it was visible.
  @inlinable @inline(never)
  mutating func unwind(_ head: UInt16, mapped: UInt16, because error: DMAError) throws(QueueError) {
    var slot = head
    for _ in 0..<mapped {
      let link = ledger.links[slot]
      let direction: DMADirection = link & ledger.writable == 0 ? .deviceReadable : .deviceWritable
      do throws(DMAError) { try mapper.takeBack(ledger.mappings[slot], direction) } catch { broken = true }
      slot = link & ~ledger.writable
    }
    ledger.untake(mapped)
    throw .mapping(error)
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
    let slot = ledger.added.advanced(by: 0xffff).slot(mask: mask)
    if availableCopy[slot] != head {
      availableCopy[slot] = head
      ring.available.store16(head, 4 &+ 2 &* Int(slot))
    }
    noteShift((head &- slot) & mask, 1)
  }

  /// Makes everything added since the last call visible, with one store of the available index (S19).
  @inlinable
  public mutating func publish() {
    let count = ledger.unpublished
    if count == 0 { return }
    unannounced &+= UInt64(count)
    ledger.published = ledger.added
    // B1: pairs with B2 in SplitDeviceQueue+Next.swift.
    ordering.publish16(ring.available, ledger.added.rawValue, at: SplitRing.indexOffset)
  }
}
