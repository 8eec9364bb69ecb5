extension SplitDriverQueue where Mapper: ~Copyable {
  /// Adds up to `count` buffers of one segment each, with everything the loop needs in locals.
  @inlinable @inline(__always)
  public mutating func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int {
    if broken { throw .broken }
    let limit = min(count, Int(ledger.freeCount))
    var cursor = AddCursor(ledger)
    let (descriptors, available, heads, mask) = (ring.descriptors, ring.available, availableCopy.cells, mask)
    let isWritable = direction == .deviceWritable
    let flags = isWritable ? UInt64(DescriptorFlags.write) << 32 : 0
    var added = 0
    while added < limit {
      let (segment, token) = buffer(added)
      let address: IOVA
      let mapping: Mapper.Mapping
      do throws(DMAError) {
        if segment.length == 0 { throw .outOfBounds(segment) }
        (address, mapping) = try mapper.map(segment, direction)
      } catch {
        cursor.commit(&ledger)
        throw .mapping(error)
      }
      let place = cursor.added.slot(mask: mask)
      let slot = cursor.enter(mapping, token: token, capacity: isWritable ? segment.length : 0)
      let offset = Int(slot) &* 16
      // Free descriptors are ours: the device is done with them, so their lines can be taken back ahead of the stores.
      if slot & 3 == 0 && limit &- added > 8 { descriptors.prefetchForWriting(offset &+ 128) }
      descriptors.store64(address.rawValue, offset)
      descriptors.store64(UInt64(segment.length) | flags, offset &+ 8)
      if heads[place] != slot {
        heads[place] = slot
        available.store16(slot, 4 &+ 2 &* Int(place))
      }
      added &+= 1
    }
    cursor.commit(&ledger)
    return added
  }
}
