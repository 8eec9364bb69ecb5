internal import CRing

extension SwiotlbMapper {
  /// The address of the segment's first slot.
  public func address(of mapping: SwiotlbMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    let slot = (mapping.address.rawValue &- slots.busBase) &>> 11
    guard slot < UInt64(slots.slotCount), mapping.byteCount == segment.length,
      let source = table.translate(segment.address, length: UInt64(segment.length))
    else { throw notMapped(mapping) }
    // SAFETY: slot < slotCount, and only this mapper writes a record that bears its tag.
    let record = unsafe slots.slots + Int(slot)
    guard unsafe cring_load_relaxed_64(record) == owner | UInt64(mapping.serial),
      unsafe record.pointee.original == source.rawValue
    else { throw notMapped(mapping) }
    return mapping.address
  }

  /// Takes exactly these slots, and leaves in them what the device was given and what it wrote so far.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> SwiotlbMapping {
    guard segment.length &- 1 < UInt32(SwiotlbPool.maximumMappingByteCount),
      let source = table.translate(segment.address, length: UInt64(segment.length))
    else { throw refusal(of: segment) }
    let offset = address.rawValue &- slots.busBase
    guard offset % UInt64(SwiotlbPool.slotByteCount) == 0, offset &>> 11 < UInt64(slots.slotCount) else {
      throw .notResumable(segment, at: address)
    }
    let slot = UInt32(truncatingIfNeeded: offset &>> 11)
    guard slots.reserve(slot, segment.length) else { throw .alreadyMapped(address) }
    serial &+= 1
    // SAFETY: the slot is one of the pool's, and the run it heads is this mapper's until released.
    unsafe (slots.slots + Int(slot)).pointee.original = source.rawValue
    unsafe cring_store_relaxed_64(slots.slots + Int(slot), owner | UInt64(serial))
    work.add(.maps, 1)
    return SwiotlbMapping(address: address, byteCount: segment.length, serial: serial)
  }
}
