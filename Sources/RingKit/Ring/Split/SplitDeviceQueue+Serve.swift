extension SplitDeviceQueue where Translator: ~Copyable {
  /// The next available buffer, `nil` when there is none.
  @inlinable @inline(__always)
  public mutating func next() throws(QueueError) -> DeviceChain? {
    if core.broken { throw .broken }
    if availableSeen == fetched {
      guard try observeAvailable() else { return nil }
    }
    let head = ring.available.load16(4 &+ 2 &* Int(fetched.slot(mask: mask)))
    if head > mask { throw core.fail(RingViolation(.s4, .identifier, UInt64(head), limit: UInt64(ring.size))) }
    let (address, word) = fetch(head)
    let flags = UInt16(truncatingIfNeeded: word >> 32)
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) == 0 {
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try core.builder.single(
          address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator)
      } catch { throw core.fail(error) }
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
    core.builder.begin()
    do throws(QueueError) { try walk(head, address, word) } catch { throw core.fail(error) }
    fetched = fetched.advanced(by: 1)
    return core.builder.chain(id: head, descriptorCount: 1)
  }

  /// A buffer that was fetched before, by this queue's predecessor: fetched anew from its head, and still in flight.
  package mutating func refetch(_ head: UInt16) throws(QueueError) -> DeviceChain {
    if core.broken { throw .broken }
    if head > mask { throw core.fail(RingViolation(.s4, .identifier, UInt64(head), limit: UInt64(ring.size))) }
    let (address, word) = fetch(head)
    core.builder.begin()
    do throws(QueueError) { try walk(head, address, word) } catch { throw core.fail(error) }
    return core.builder.chain(id: head, descriptorCount: 1)
  }

  /// Reads the available index, once.
  ///
  /// It may be ahead of what was published back by at most the queue's size (S11).
  @inlinable @inline(__always)
  mutating func observeAvailable() throws(QueueError) -> Bool {
    // B2: pairs with B1 in SplitDriverQueue+Add.swift.
    let index = RingIndex(core.ordering.observe16(ring.available, at: SplitRing.indexOffset))
    if index == fetched { return false }
    let ahead = index.distance(from: published)
    if ahead > UInt16(truncatingIfNeeded: ring.size) || index.distance(from: fetched) > ahead {
      throw core.fail(RingViolation(.s11, .index, UInt64(index.rawValue), limit: UInt64(ring.size)))
    }
    availableSeen = index
    // The lines that are written next, which the driver has read, come while the device fetches the descriptor.
    ring.used.takeLine(4 &+ 8 &* Int(completed.slot(mask: mask)))
    ring.used.takeLine(SplitRing.indexOffset)
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
      core.builder.descriptors &+= 1
      if core.builder.descriptors > UInt32(ring.size) {
        throw .violation(RingViolation(.s4, .count, UInt64(core.builder.descriptors), limit: UInt64(ring.size)))
      }
      if flags & DescriptorFlags.indirect != 0 {
        if !core.hasIndirect { throw .violation(RingViolation(.s6, .flags, UInt64(flags))) }
        if flags & DescriptorFlags.next != 0 { throw .violation(RingViolation(.s9, .flags, UInt64(flags))) }
        core.builder.descriptors &-= 1
        return try walkTable(address, UInt32(truncatingIfNeeded: word))
      }
      try core.builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator)
      if flags & DescriptorFlags.next == 0 { return }
      let next = UInt16(truncatingIfNeeded: word >> 48)
      if next > mask { throw .violation(RingViolation(.s4, .identifier, UInt64(next), limit: UInt64(ring.size))) }
      if core.isInOrder && next != (slot &+ 1) & mask {
        throw .violation(RingViolation(.s5, .identifier, UInt64(next), limit: UInt64((slot &+ 1) & mask)))
      }
      slot = next
      (address, word) = fetch(slot)
    }
  }

  /// An indirect table (virtio 1.2, 2.7.5.3): linked by `next`, no longer than the queue in all unless more is
  /// accepted, never nested.
  @inlinable @inline(never)
  mutating func walkTable(_ table: IOVA, _ byteCount: UInt32) throws(QueueError) {
    let entries = try core.entries(ofTable: byteCount, .s8)
    var index: UInt32 = 0
    var reader = TableReader(table)
    while true {
      core.builder.descriptors &+= 1
      if core.builder.descriptors > core.tableLimit {
        throw .violation(RingViolation(.s8, .count, UInt64(core.builder.descriptors), limit: UInt64(core.tableLimit)))
      }
      let (address, word) = try reader.entry(index, of: entries, &core.translator, core.builder.memory)
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      if flags & DescriptorFlags.indirect != 0 { throw .violation(RingViolation(.s7, .flags, UInt64(flags))) }
      try core.builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator)
      if flags & DescriptorFlags.next == 0 { return }
      let next = UInt32(truncatingIfNeeded: word >> 48)
      if next >= entries { throw .violation(RingViolation(.s4, .identifier, UInt64(next), limit: UInt64(entries))) }
      if core.isInOrder && next != index &+ 1 {
        throw .violation(RingViolation(.s10, .identifier, UInt64(next), limit: UInt64(index &+ 1)))
      }
      index = next
    }
  }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    // A queue of VhostUser that does not batch looks itself.
    precondition(!core.batches || fetched == completed, "chains are in flight that IN_ORDER completes first")
    return try serveAll(limit, body)
  }
}

extension SplitDeviceQueue: RingDevice where Translator: ~Copyable {
  /// One buffer of one contiguous element while no other is under way: its used entry is a batch of its own.
  @inlinable @inline(never)
  mutating func serveAlone<Failure: Error>(
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if core.broken || fetched != published || core.ordering.platform { return try serveOne(body) }
    if availableSeen == fetched {
      do throws(QueueError) { guard try observeAvailable() else { return 0 } } catch { throw .queue(error) }
    }
    let head = ring.available.load16(4 &+ 2 &* Int(fetched.slot(mask: mask)))
    // The slow path reports the error.
    if head > mask { return try serveOne(body) }
    let (address, word) = fetch(head)
    let flags = UInt16(truncatingIfNeeded: word >> 32)
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) != 0 { return try serveOne(body) }
    let segment: TranslatedSegment?
    do throws(DMAFault) {
      segment = try ChainBuilder.only(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator,
        core.builder.memory)
    } catch { throw .queue(core.fail(error)) }
    guard let segment else { return try serveOne(body) }
    let chain = DeviceChain(id: head, segment: segment)
    let written: UInt32
    do throws(Failure) { written = try body(chain, ChainSegments(segment)) } catch {
      // Fetched and not completed: it stays with the device.
      fetched = fetched.advanced(by: 1)
      throw .body(error)
    }
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    write(completed, head, written)
    fetched = fetched.advanced(by: 1)
    (completed, published) = (fetched, fetched)
    core.unannounced &+= 1
    // B3: pairs with B4 in SplitDriverQueue+Reclaim.swift.
    ring.used.storeRelease16(published.rawValue, SplitRing.indexOffset)
    core.translator.service()
    return 1
  }

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  @inlinable @inline(__always)
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if core.broken { return 0 }
    if availableSeen == fetched {
      do throws(QueueError) { guard try observeAvailable() else { return 0 } } catch { throw .queue(error) }
    }
    let (ring, mask, inOrder) = (ring, mask, core.batches)
    let careful = UInt64(DescriptorFlags.next | DescriptorFlags.indirect) << 32
    let writeFlag = UInt64(DescriptorFlags.write) << 32
    var count = 0
    while count < limit && fetched != availableSeen {
      let (index, usedIndex) = (Int(fetched.slot(mask: mask)), Int(completed.slot(mask: mask)))
      // To where a ring wraps, so that nothing inside has to look for it.
      let run = min(
        limit &- count, Int(availableSeen.distance(from: fetched)), ring.size &- max(index, usedIndex))
      fetchAhead(index, usedIndex, run)
      let done = completed
      var (batch, batchEnd, batchWritten) = (batchCount, core.batchID, core.batchLength)
      var failure: ServeError<Failure>?
      var failed = 0
      var i = 0
      while i < run {
        let head = ring.available.load16(4 &+ 2 &* (index &+ i))
        // The slow path reports the error.
        if head > mask { break }
        let (address, word) = fetch(head)
        if word & careful != 0 { break }
        let segment: TranslatedSegment?
        do throws(DMAFault) {
          segment = try ChainBuilder.only(
            address, UInt32(truncatingIfNeeded: word), isWritable: word & writeFlag != 0, &core.translator,
            core.builder.memory)
        } catch {
          failure = .queue(core.fail(error))
          break
        }
        guard let segment else { break }
        let chain = DeviceChain(id: head, segment: segment)
        let written: UInt32
        do throws(Failure) { written = try body(chain, ChainSegments(segment)) } catch {
          // Fetched and not completed: it stays with the device.
          failed = 1
          failure = .body(error)
          break
        }
        precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
        if inOrder {
          batch &+= 1
          (batchEnd, batchWritten) = (head, written)
          // A buffer that is skipped counts as used completely (virtio 1.2, 2.7.9): one that was not ends its batch.
          if UInt64(written) != chain.writableByteCount {
            write(RingIndex(done.rawValue &+ UInt16(truncatingIfNeeded: i) &+ 1 &- batch), head, written)
            batch = 0
          }
        } else {
          ring.used.store32(UInt32(head), 4 &+ 8 &* (usedIndex &+ i))
          ring.used.store32(written, 8 &+ 8 &* (usedIndex &+ i))
        }
        // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
        core.translator.service()
        i &+= 1
      }
      count &+= i
      fetched = fetched.advanced(by: UInt16(truncatingIfNeeded: i &+ failed))
      completed = completed.advanced(by: UInt16(truncatingIfNeeded: i))
      (batchCount, core.batchID, core.batchLength) = (batch, batchEnd, batchWritten)
      if let failure { throw failure }
      if i != run { break }
    }
    return count
  }

  /// Fetches the lines of this run and the next; for a few buffers they are there as fast without.
  ///
  /// What the index covers is written, so this takes nothing from the driver; the first used line, which it may still
  /// read, is written next in any case. Heads mostly come in sequence; where they do not this fetches for nothing.
  @inlinable @inline(__always)
  func fetchAhead(_ index: Int, _ usedIndex: Int, _ run: Int) {
    let count = min(2 &* run, Int(availableSeen.distance(from: fetched)))
    if count <= 4 { return }
    let head = Int(ring.available.load16(4 &+ 2 &* index) & mask)
    ring.descriptors.prefetchForReading(head &* 16, byteCount: count &* 16)
    if !core.batches { ring.used.prefetchForWriting(4 &+ 8 &* usedIndex, byteCount: 8 &* count) }
  }
}

extension SplitDeviceQueue where Translator: ~Copyable {
  /// Notes that the device is done with a chain.
  ///
  /// Completing more chains than were fetched, or claiming more bytes than a chain can take, is a mistake of the
  /// caller.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(completed != fetched, "a chain is completed that was not fetched, or twice")
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    if core.batches {
      batchCount &+= 1
      core.batchID = chain.id
      core.batchLength = written
      completed = completed.advanced(by: 1)
      // A buffer that is skipped counts as used completely (virtio 1.2, 2.7.9): one that was not ends its batch.
      if UInt64(written) != chain.writableByteCount { writeBatch() }
    } else {
      write(completed, chain.id, written)
      completed = completed.advanced(by: 1)
    }
  }

  /// Makes the completions noted so far visible, with one store of the used index (S27, S28).
  @inlinable
  public mutating func publish() {
    if completed == published { return }
    if batchCount != 0 { writeBatch() }
    core.unannounced &+= UInt64(completed.distance(from: published))
    published = completed
    // B3: pairs with B4 in SplitDriverQueue+Reclaim.swift.
    core.ordering.publish16(ring.used, completed.rawValue, at: SplitRing.indexOffset)
  }

  /// One used entry, at the batch's first position, that names its last buffer.
  @inlinable @inline(__always)
  mutating func writeBatch() {
    write(RingIndex(completed.rawValue &- batchCount), core.batchID, core.batchLength)
    batchCount = 0
  }

  @inlinable @inline(__always)
  func write(_ index: RingIndex, _ id: UInt16, _ length: UInt32) {
    let offset = 4 &+ 8 &* Int(index.slot(mask: mask))
    ring.used.store32(UInt32(id), offset)
    ring.used.store32(length, offset &+ 4)
  }
}
