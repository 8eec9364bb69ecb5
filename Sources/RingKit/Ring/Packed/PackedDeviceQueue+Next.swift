extension PackedDeviceQueue where Translator: ~Copyable {
  /// The next available buffer, `nil` when there is none.
  @inlinable @inline(__always)
  public mutating func next() throws(QueueError) -> DeviceChain? {
    if broken { throw .broken }
    let offset = Int(available.offset) &* 16
    // B10: pairs with B9 in PackedDriverQueue+Add.swift.
    let word = ordering.observe64(ring.descriptors, at: offset &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != available.availableFlags { return nil }
    let address = IOVA(ring.descriptors.load64(offset))
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) == 0 && heldDescriptors < UInt32(ringSize) {
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try builder.single(
          address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
      } catch { throw fail(error) }
      if let segment {
        available.advance(size: ringSize)
        heldDescriptors &+= 1
        inFlight &+= 1
        return DeviceChain(id: UInt16(truncatingIfNeeded: word >> 32), segment: segment)
      }
    }
    return try nextChain(address, word)
  }

  /// Whatever is not one contiguous element.
  @inlinable @inline(never)
  mutating func nextChain(_ address: IOVA, _ word: UInt64) throws(QueueError) -> DeviceChain {
    // Every descriptor is held already: what stands here was not freed by us, so the driver cannot have reused it.
    if heldDescriptors >= UInt32(ringSize) {
      throw fail(RingViolation(.p6, .count, UInt64(heldDescriptors) &+ 1, limit: UInt64(ringSize)))
    }
    builder.begin()
    builder.descriptors = 1
    let id: UInt16
    do throws(QueueError) { id = try walk(address, word) } catch {
      broken = !error.isPending
      throw error
    }
    let count = UInt16(truncatingIfNeeded: builder.descriptors)
    available.advance(by: count, size: ringSize)
    heldDescriptors &+= builder.descriptors
    inFlight &+= 1
    return builder.chain(id: id, descriptorCount: count)
  }

  /// A list of several descriptors, or one that leads to a table.
  ///
  /// Bounded by the queue's size (P6).
  ///
  /// - Returns: the buffer id, which stands in the list's last descriptor.
  @inlinable @inline(never)
  mutating func walk(_ firstAddress: IOVA, _ firstWord: UInt64) throws(QueueError) -> UInt16 {
    var (position, address, word) = (available, firstAddress, firstWord)
    while true {
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      let length = UInt32(truncatingIfNeeded: word)
      if flags & DescriptorFlags.indirect != 0 {
        if !hasIndirect { throw .violation(RingViolation(.p11, .flags, UInt64(flags))) }
        if flags & DescriptorFlags.next != 0 || builder.descriptors > 1 {
          throw .violation(RingViolation(.p14, .flags, UInt64(flags)))
        }
        try walkTable(address, length)
        return UInt16(truncatingIfNeeded: word >> 32)
      }
      try builder.append(address, length, isWritable: flags & DescriptorFlags.write != 0, &translator)
      if flags & DescriptorFlags.next == 0 { return UInt16(truncatingIfNeeded: word >> 32) }
      if heldDescriptors &+ builder.descriptors >= UInt32(ringSize) {
        throw .violation(
          RingViolation(.p6, .count, UInt64(heldDescriptors &+ builder.descriptors) &+ 1, limit: UInt64(ringSize)))
      }
      builder.descriptors &+= 1
      position.advance(by: 1, size: ringSize)
      let offset = Int(position.offset) &* 16
      word = ring.descriptors.load64(offset &+ 8)
      address = IOVA(ring.descriptors.load64(offset))
      let next = UInt16(truncatingIfNeeded: word >> 48)
      if next & (DescriptorFlags.available | DescriptorFlags.used) != position.availableFlags {
        throw .violation(RingViolation(.p10, .flags, UInt64(next)))
      }
    }
  }

  /// An indirect table (virtio 1.2, 2.8.7): entries follow each other, and it never leads to another.
  @inlinable @inline(never)
  mutating func walkTable(_ table: IOVA, _ byteCount: UInt32) throws(QueueError) {
    if byteCount == 0 || byteCount & 15 != 0 {
      throw .violation(RingViolation(.p13, .length, UInt64(byteCount), limit: 16))
    }
    if table.rawValue & 15 != 0 { throw .violation(RingViolation(.p1, .address, table.rawValue, limit: 16)) }
    let entries = byteCount >> 4
    if entries > UInt32(ringSize) {
      throw .violation(RingViolation(.p13, .count, UInt64(entries), limit: UInt64(ringSize)))
    }
    var reader = TableReader(table)
    for index in 0..<entries {
      let (address, word) = try reader.entry(index, of: entries, &translator)
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      // Other flags are reserved and ignored (virtio 1.2, 2.8.7); this one would mean a second table.
      if flags & DescriptorFlags.indirect != 0 { throw .violation(RingViolation(.p12, .flags, UInt64(flags))) }
      try builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
    }
  }
}
