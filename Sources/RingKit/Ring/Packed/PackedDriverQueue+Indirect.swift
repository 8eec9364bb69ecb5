extension PackedDriverQueue where Mapper: ~Copyable {
  /// Adds a list as a table in one slot.
  ///
  /// The table is mapped like a device-readable buffer, after it is written, so that a path that copies copies its
  /// contents.
  @inlinable @inline(never)
  mutating func addIndirect(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    guard let indirect else { return try addList(readable, writable, token) }
    let count = readable.count &+ writable.count
    let id = ledger.nextSlot
    let base = Int(id) &* ledger.indirectCapacity
    let capacity = try chainCapacity(readable, writable)
    var mapped = 0
    do throws(DMAError) {
      while mapped < count {
        let isWritable = mapped >= readable.count
        let segment = isWritable ? writable[mapped &- readable.count] : readable[mapped]
        if segment.length == 0 { throw .outOfBounds(segment) }
        let (address, mapping) = try mapper.map(segment, isWritable ? .deviceWritable : .deviceReadable)
        ledger.indirectMappings[base &+ mapped] = mapping
        let offset = (base &+ mapped) &* 16
        indirect.store64(address.rawValue, offset)
        // P12: WRITE is the only flag inside a table.
        let flags = isWritable ? DescriptorFlags.write : 0
        indirect.store64(PackedRing.word(length: segment.length, id: 0, flags: flags), offset &+ 8)
        mapped &+= 1
      }
      let table = MemorySegment(
        GuestPhysicalAddress(indirectBase.rawValue &+ UInt64(base &* 16)),
        length: UInt32(truncatingIfNeeded: count &* 16))
      let (address, mapping) = try mapper.map(table, .deviceReadable)
      _ = ledger.takeSlot()
      ledger.mappings[id] = mapping
      let flags = available.availableFlags | DescriptorFlags.indirect
      let offset = Int(available.offset) &* 16
      ring.descriptors.store64(address.rawValue, offset)
      makeAvailable(at: offset &+ 8, PackedRing.word(length: table.length, id: id, flags: flags))
      available.advance(size: ringSize)
    } catch {
      for i in 0..<mapped {
        let direction: DMADirection = i < readable.count ? .deviceReadable : .deviceWritable
        do throws(DMAError) {
          try mapper.takeBack(ledger.indirectMappings[base &+ i], direction)
        } catch { broken = true }
      }
      throw .mapping(error)
    }
    ledger.indirectUse[id] = UInt32(readable.count) << 16 | UInt32(writable.count)
    ledger.enterTable(id, token: token, capacity: capacity)
    return .added
  }
}
