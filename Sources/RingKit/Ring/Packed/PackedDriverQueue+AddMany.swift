extension PackedDriverQueue where Mapper: ~Copyable {
  /// Adds up to `count` buffers of one segment each, with everything the loop needs in locals.
  @inlinable @inline(__always)
  public mutating func add(
    atMost count: Int, _ direction: DMADirection, _ buffer: (Int) -> (segment: MemorySegment, token: UInt64)
  ) throws(QueueError) -> Int {
    if broken { throw .broken }
    let limit = min(count, Int(ledger.freeCount))
    var cursor = AddCursor(ledger)
    var position = available
    let (descriptors, size) = (ring.descriptors, ringSize)
    let isWritable = direction == .deviceWritable
    let flags = isWritable ? DescriptorFlags.write : 0
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
        available = position
        throw .mapping(error)
      }
      let id = cursor.enter(mapping, token: token, capacity: isWritable ? segment.length : 0)
      let offset = Int(position.offset) &* 16
      descriptors.store64(address.rawValue, offset)
      let word = PackedRing.word(length: segment.length, id: id, flags: position.availableFlags | flags)
      if isHolding {
        descriptors.storeRelease64(word, offset &+ 8)
      } else {
        isHolding = true
        heldOffset = offset &+ 8
        heldWord = word
      }
      position.advance(size: size)
      added &+= 1
    }
    cursor.commit(&ledger)
    available = position
    return added
  }
}
