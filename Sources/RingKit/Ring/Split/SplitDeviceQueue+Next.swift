extension SplitDeviceQueue where Translator: ~Copyable {
  /// The next available buffer, `nil` when there is none.
  @inlinable @inline(__always)
  public mutating func next() throws(QueueError) -> DeviceChain? {
    if broken { throw .broken }
    if availableSeen == fetched {
      guard try observeAvailable() else { return nil }
    }
    let head = ring.available.load16(4 &+ 2 &* Int(fetched.slot(mask: mask)))
    if head > mask { throw fail(RingViolation(.s4, .identifier, UInt64(head), limit: UInt64(ring.size))) }
    let (address, word) = fetch(head)
    let flags = UInt16(truncatingIfNeeded: word >> 32)
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) == 0 {
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try builder.single(
          address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
      } catch { throw fail(error) }
      if let segment {
        fetched = fetched.advanced(by: 1)
        return DeviceChain(id: head, segment: segment)
      }
    }
    return try nextChain(head, address, word)
  }

  /// Whatever is not one contiguous element.
  @inlinable @inline(never)
  mutating func nextChain(_ head: UInt16, _ address: IOVA, _ word: UInt64) throws(QueueError) -> DeviceChain {
    builder.begin()
    do throws(QueueError) { try walk(head, address, word) } catch {
      broken = !error.isPending
      throw error
    }
    fetched = fetched.advanced(by: 1)
    return builder.chain(id: head, descriptorCount: 1)
  }

  /// Reads the available index, once.
  ///
  /// It may be ahead of what was published back by at most the queue's size (S11).
  @inlinable @inline(__always)
  mutating func observeAvailable() throws(QueueError) -> Bool {
    // B2: pairs with B1 in SplitDriverQueue+Add.swift.
    let index = RingIndex(ordering.observe16(ring.available, at: SplitRing.indexOffset))
    if index == fetched { return false }
    let ahead = index.distance(from: published)
    if ahead > UInt16(truncatingIfNeeded: ring.size) || index.distance(from: fetched) > ahead {
      throw fail(RingViolation(.s11, .index, UInt64(index.rawValue), limit: UInt64(ring.size)))
    }
    availableSeen = index
    return true
  }

  /// Fetches one descriptor: two loads, after which its fields are ours.
  @inlinable @inline(__always)
  func fetch(_ slot: UInt16) -> (address: IOVA, word: UInt64) {
    let offset = Int(slot) &* 16
    return (IOVA(ring.descriptors.load64(offset)), ring.descriptors.load64(offset &+ 8))
  }

  /// A chain of several descriptors, or one that leads to a table.
  ///
  /// Bounded by the queue's size (S8), so a loop ends.
  @inlinable @inline(never)
  mutating func walk(_ head: UInt16, _ firstAddress: IOVA, _ firstWord: UInt64) throws(QueueError) {
    var (slot, address, word) = (head, firstAddress, firstWord)
    while true {
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      builder.descriptors &+= 1
      if builder.descriptors > UInt32(ring.size) {
        throw .violation(RingViolation(.s4, .count, UInt64(builder.descriptors), limit: UInt64(ring.size)))
      }
      if flags & DescriptorFlags.indirect != 0 {
        if !hasIndirect { throw .violation(RingViolation(.s6, .flags, UInt64(flags))) }
        if flags & DescriptorFlags.next != 0 { throw .violation(RingViolation(.s9, .flags, UInt64(flags))) }
        builder.descriptors &-= 1
        return try walkTable(address, UInt32(truncatingIfNeeded: word))
      }
      try builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
      if flags & DescriptorFlags.next == 0 { return }
      let next = UInt16(truncatingIfNeeded: word >> 48)
      if next > mask { throw .violation(RingViolation(.s4, .identifier, UInt64(next), limit: UInt64(ring.size))) }
      if isInOrder && next != (slot &+ 1) & mask {
        throw .violation(RingViolation(.s5, .identifier, UInt64(next), limit: UInt64((slot &+ 1) & mask)))
      }
      slot = next
      (address, word) = fetch(slot)
    }
  }

  /// An indirect table (virtio 1.2, 2.7.5.3): linked by `next`, no longer than the queue in all, never nested.
  @inlinable @inline(never)
  mutating func walkTable(_ table: IOVA, _ byteCount: UInt32) throws(QueueError) {
    if byteCount == 0 || byteCount & 15 != 0 {
      throw .violation(RingViolation(.s8, .length, UInt64(byteCount), limit: 16))
    }
    if table.rawValue & 15 != 0 { throw .violation(RingViolation(.s1, .address, table.rawValue, limit: 16)) }
    let entries = byteCount >> 4
    if entries > UInt32(ring.size) {
      throw .violation(RingViolation(.s8, .count, UInt64(entries), limit: UInt64(ring.size)))
    }
    var index: UInt32 = 0
    var reader = TableReader(table)
    while true {
      builder.descriptors &+= 1
      if builder.descriptors > UInt32(ring.size) {
        throw .violation(RingViolation(.s8, .count, UInt64(builder.descriptors), limit: UInt64(ring.size)))
      }
      let (address, word) = try reader.entry(index, of: entries, &translator)
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      if flags & DescriptorFlags.indirect != 0 { throw .violation(RingViolation(.s7, .flags, UInt64(flags))) }
      try builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
      if flags & DescriptorFlags.next == 0 { return }
      let next = UInt32(truncatingIfNeeded: word >> 48)
      if next >= entries { throw .violation(RingViolation(.s4, .identifier, UInt64(next), limit: UInt64(entries))) }
      if isInOrder && next != index &+ 1 {
        throw .violation(RingViolation(.s10, .identifier, UInt64(next), limit: UInt64(index &+ 1)))
      }
      index = next
    }
  }
}
