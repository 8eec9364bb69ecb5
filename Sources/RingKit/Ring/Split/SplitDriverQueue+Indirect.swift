extension SplitDriverQueue where Mapper: ~Copyable {
  /// Adds a chain as a table in one slot.
  ///
  /// The table is mapped like a device-readable buffer, after it is written, so that a path that copies copies its
  /// contents.
  @inlinable @inline(never)
  mutating func addIndirect(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    guard let indirect else { return try addChain(readable, writable, token) }
    let count = readable.count &+ writable.count
    let head = ledger.nextSlot
    let base = Int(head) &* ledger.indirectCapacity
    let capacity = try chainCapacity(readable, writable)
    var mapped = 0
    do throws(DMAError) {
      while mapped < count {
        let isWritable = mapped >= readable.count
        let segment = isWritable ? writable[mapped &- readable.count] : readable[mapped]
        if segment.length == 0 { throw .outOfBounds(segment) }
        let (address, mapping) = try mapper.map(segment, isWritable ? .deviceWritable : .deviceReadable)
        ledger.indirectMappings[base &+ mapped] = mapping
        let isLast = mapped &+ 1 == count
        let flags = (isWritable ? DescriptorFlags.write : 0) | (isLast ? 0 : DescriptorFlags.next)
        // S10: each entry's `next` is the entry behind it, whether IN_ORDER asks for it or not.
        let next = isLast ? 0 : UInt64(mapped &+ 1)
        let offset = (base &+ mapped) &* 16
        indirect.store64(address.rawValue, offset)
        indirect.store64(UInt64(segment.length) | UInt64(flags) << 32 | next << 48, offset &+ 8)
        mapped &+= 1
      }
      let table = MemorySegment(
        GuestPhysicalAddress(indirectBase.rawValue &+ UInt64(base &* 16)),
        length: UInt32(truncatingIfNeeded: count &* 16))
      let (address, mapping) = try mapper.map(table, .deviceReadable)
      _ = ledger.takeSlot()
      ledger.mappings[head] = mapping
      write(head, address, table.length, DescriptorFlags.indirect, next: 0)
    } catch {
      for i in 0..<mapped {
        let direction: DMADirection = i < readable.count ? .deviceReadable : .deviceWritable
        do throws(DMAError) {
          try mapper.takeBack(ledger.indirectMappings[base &+ i], direction)
        } catch { broken = true }
      }
      throw .mapping(error)
    }
    ledger.indirectUse[head] = UInt32(readable.count) << 16 | UInt32(writable.count)
    ledger.enterTable(head, token: token, capacity: capacity)
    makeAvailable(head)
    return .added
  }
}
