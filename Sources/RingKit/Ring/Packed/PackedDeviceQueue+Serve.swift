extension PackedDeviceQueue where Translator: ~Copyable {
  /// The next available buffer, `nil` when there is none.
  @inlinable @inline(__always)
  public mutating func next() throws(QueueError) -> DeviceChain? {
    if core.broken { throw .broken }
    let offset = Int(available.offset) &* 16
    // B10: pairs with B9 in PackedDriverQueue+Add.swift.
    let word = core.ordering.observe64(ring.descriptors, at: offset &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != available.availableFlags { return nil }
    let address = IOVA(ring.descriptors.load64(offset))
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) == 0 && heldDescriptors < UInt32(ringSize) {
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try core.builder.single(
          address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator)
      } catch { throw core.fail(error) }
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
      throw core.fail(RingViolation(.p6, .count, UInt64(heldDescriptors) &+ 1, limit: UInt64(ringSize)))
    }
    core.builder.begin()
    core.builder.descriptors = 1
    let id: UInt16
    do throws(QueueError) { id = try walk(address, word) } catch { throw core.fail(error) }
    let count = UInt16(truncatingIfNeeded: core.builder.descriptors)
    available.advance(by: count, size: ringSize)
    heldDescriptors &+= core.builder.descriptors
    inFlight &+= 1
    return core.builder.chain(id: id, descriptorCount: count)
  }

  /// A buffer that was fetched before, by this queue's predecessor, and is still in flight: what stands at its offsets
  /// in the ring may be others by now, so its descriptors are given.
  ///
  /// - Parameter descriptors: address and the word behind it, as they stood in the ring; at least one.
  /// - Returns: the chain.
  /// - Throws: ``QueueError``.
  package mutating func refetch(_ descriptors: [(address: UInt64, word: UInt64)]) throws(QueueError) -> DeviceChain {
    if core.broken { throw .broken }
    core.builder.begin()
    do throws(QueueError) {
      for (index, descriptor) in descriptors.enumerated() {
        let flags = UInt16(truncatingIfNeeded: descriptor.word >> 48)
        let (address, length) = (IOVA(descriptor.address), UInt32(truncatingIfNeeded: descriptor.word))
        core.builder.descriptors &+= 1
        if flags & DescriptorFlags.indirect != 0 {
          if !core.hasIndirect { throw .violation(RingViolation(.p11, .flags, UInt64(flags))) }
          if flags & DescriptorFlags.next != 0 || index > 0 {
            throw .violation(RingViolation(.p14, .flags, UInt64(flags)))
          }
          try walkTable(address, length)
        } else {
          try core.builder.append(address, length, isWritable: flags & DescriptorFlags.write != 0, &core.translator)
        }
      }
    } catch { throw core.fail(error) }
    inFlight &+= 1
    let id = UInt16(truncatingIfNeeded: (descriptors.last?.word ?? 0) >> 32)
    return core.builder.chain(id: id, descriptorCount: UInt16(truncatingIfNeeded: descriptors.count))
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
        if !core.hasIndirect { throw .violation(RingViolation(.p11, .flags, UInt64(flags))) }
        if flags & DescriptorFlags.next != 0 || core.builder.descriptors > 1 {
          throw .violation(RingViolation(.p14, .flags, UInt64(flags)))
        }
        try walkTable(address, length)
        return UInt16(truncatingIfNeeded: word >> 32)
      }
      try core.builder.append(address, length, isWritable: flags & DescriptorFlags.write != 0, &core.translator)
      if flags & DescriptorFlags.next == 0 { return UInt16(truncatingIfNeeded: word >> 32) }
      if heldDescriptors &+ core.builder.descriptors >= UInt32(ringSize) {
        throw .violation(
          RingViolation(.p6, .count, UInt64(heldDescriptors &+ core.builder.descriptors) &+ 1, limit: UInt64(ringSize)))
      }
      core.builder.descriptors &+= 1
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
    let entries = try core.entries(ofTable: byteCount, .p13)
    var reader = TableReader(table)
    for index in 0..<entries {
      let (address, word) = try reader.entry(index, of: entries, &core.translator, core.builder.memory)
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      // Other flags are reserved and ignored (virtio 1.2, 2.8.7); this one would mean a second table.
      if flags & DescriptorFlags.indirect != 0 { throw .violation(RingViolation(.p12, .flags, UInt64(flags))) }
      try core.builder.append(
        address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &core.translator)
    }
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    // A queue of VhostUser that does not batch looks itself.
    precondition(!core.batches || inFlight == 0, "chains are in flight that IN_ORDER completes first")
    return try serveAll(limit, body)
  }
}

extension PackedDeviceQueue: RingDevice where Translator: ~Copyable {
  /// One buffer of one contiguous element while no other is under way: its used descriptor is a batch of its own, so
  /// nothing of it has to be held back.
  @inlinable @inline(never)
  mutating func serveAlone<Failure: Error>(
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if core.broken || heldDescriptors != 0 || isHolding || batchCount != 0 || core.ordering.platform {
      return try serveOne(body)
    }
    let offset = Int(used.offset) &* 16
    // B10: pairs with B9 in PackedDriverQueue+Add.swift.
    let word = ring.descriptors.loadAcquire64(offset &+ 8)
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    if flags & (DescriptorFlags.available | DescriptorFlags.used) != used.availableFlags { return 0 }
    if flags & (DescriptorFlags.next | DescriptorFlags.indirect) != 0 { return try serveOne(body) }
    let segment: TranslatedSegment?
    do throws(DMAFault) {
      segment = try ChainBuilder.only(
        IOVA(ring.descriptors.load64(offset)), UInt32(truncatingIfNeeded: word),
        isWritable: flags & DescriptorFlags.write != 0, &core.translator, core.builder.memory)
    } catch { throw .queue(core.fail(error)) }
    guard let segment else { return try serveOne(body) }
    let chain = DeviceChain(id: UInt16(truncatingIfNeeded: word >> 32), segment: segment)
    let written: UInt32
    do throws(Failure) { written = try body(chain, ChainSegments(segment)) } catch {
      // Fetched and not completed: it stays with the device.
      (heldDescriptors, inFlight) = (1, 1)
      available.advance(size: ringSize)
      throw .body(error)
    }
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    let usedFlags = used.usedFlags | (written != 0 ? DescriptorFlags.write : 0)
    used.advance(size: ringSize)
    (available, published) = (used, used)
    core.unannounced &+= 1
    // B11: pairs with B12 in PackedDriverQueue+Reclaim.swift.
    ring.descriptors.storeRelease64(PackedRing.word(length: written, id: chain.id, flags: usedFlags), offset &+ 8)
    core.translator.service()
    return 1
  }

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  @inlinable @inline(__always)
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    // Barriers for hardware cost more than all that is saved here.
    if core.broken || heldDescriptors != 0 || core.ordering.platform { return 0 }
    let (descriptors, inOrder, isBacklogged) = (ring.descriptors, core.batches, wasBacklogged)
    let looked = PackedRing.word(
      length: 0, id: 0,
      flags: DescriptorFlags.available | DescriptorFlags.used | DescriptorFlags.next | DescriptorFlags.indirect)
    let (writeFlag, idBits) = (
      PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.write), PackedRing.word(length: 0, id: 0xffff, flags: 0)
    )
    wasBacklogged = false
    var count = 0
    while count < limit {
      let start = Int(used.offset)
      // To the ring's end, so that nothing inside has to look for the wrap.
      let room = min(limit &- count, ring.size &- start)
      // To the line's end where what it points to is fetched at once: nothing inside looks for that either.
      let run = Translator.fetchesAhead ? min(room, 4 &- (start & 3)) : room
      // With more waiting than a batch the lines ahead are filled: where they are taken for writing, each crosses once
      // instead of twice. Without, the driver is still at work on them.
      if isBacklogged { descriptors.prefetchForWriting(start &* 16, byteCount: 32 &* run) }
      let expected = PackedRing.word(length: 0, id: 0, flags: used.availableFlags)
      let lap = PackedRing.word(length: 0, id: 0, flags: used.usedFlags)
      if Translator.fetchesAhead { fetchAhead(start &* 16, expected, run) }
      // The word that `publish` stores: of the first descriptor used since the last one.
      let held = isHolding ? -1 : 0
      var (batch, batchEnd, batchWritten) = (batchCount, core.batchID, core.batchLength)
      var failure: ServeError<Failure>?
      var i = 0
      while i < run {
        let offset = (start &+ i) &* 16
        // B10: pairs with B9 in PackedDriverQueue+Add.swift.
        let word = descriptors.loadAcquire64(offset &+ 8)
        // The slow path reports the error.
        if (word ^ expected) & looked != 0 { break }
        let segment: TranslatedSegment?
        do throws(DMAFault) {
          segment = try ChainBuilder.only(
            IOVA(descriptors.load64(offset)), UInt32(truncatingIfNeeded: word),
            isWritable: word & writeFlag != 0, &core.translator, core.builder.memory)
        } catch {
          failure = .queue(core.fail(error))
          break
        }
        guard let segment else { break }
        let chain = DeviceChain(id: UInt16(truncatingIfNeeded: word >> 32), segment: segment)
        let written: UInt32
        do throws(Failure) { written = try body(chain, ChainSegments(segment)) } catch {
          // Fetched and not completed: it stays with the device.
          heldDescriptors = 1
          inFlight = 1
          failure = .body(error)
          break
        }
        precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
        if inOrder {
          if batch == 0 {
            batchStart = used
            batchStart.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
          }
          batch &+= 1
          (batchEnd, batchWritten) = (chain.id, written)
          // A buffer that is skipped counts as used completely (virtio 1.2, 2.8.9): one that was not ends its batch.
          if UInt64(written) != chain.writableByteCount {
            write(at: batchStart, chain.id, written)
            batch = 0
          }
        } else {
          let usedWord = word & idBits | lap | UInt64(written) | (written != 0 ? writeFlag : 0)
          if i == held {
            isHolding = true
            heldOffset = offset &+ 8
            heldWord = usedWord
          } else {
            descriptors.storeRelease64(usedWord, offset &+ 8)
          }
        }
        // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
        core.translator.service()
        i &+= 1
      }
      count &+= i
      used.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
      available = used
      if heldDescriptors != 0 { available.advance(size: ringSize) }
      (batchCount, core.batchID, core.batchLength) = (batch, batchEnd, batchWritten)
      if let failure { throw failure }
      if i != run { return count }
    }
    wasBacklogged = true
    return count
  }
}

extension PackedDeviceQueue where Translator: ~Copyable {
  /// Has what the available descriptors of one line point to fetched: all at once, instead of each when it is served.
  @inlinable @inline(__always)
  func fetchAhead(_ start: Int, _ expected: UInt64, _ count: Int) {
    let lap = PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.available | DescriptorFlags.used)
    var offset = start
    while offset < start &+ 16 &* count {
      let word = ring.descriptors.load64(offset &+ 8)
      if (word ^ expected) & lap != 0 { return }
      let isWritable = word & PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.write) != 0
      core.translator.fetchAhead(
        IOVA(ring.descriptors.load64(offset)), byteCount: UInt32(truncatingIfNeeded: word),
        for: isWritable ? .deviceWritable : .deviceReadable)
      offset &+= 16
    }
  }

  /// Notes that the device is done with a chain.
  ///
  /// Completing more chains than were fetched, or claiming more bytes than a chain can take, is a mistake of the
  /// caller.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(
      inFlight > 0 && heldDescriptors >= UInt32(chain.descriptorCount),
      "a chain is completed that was not fetched, or twice")
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    inFlight &-= 1
    heldDescriptors &-= UInt32(chain.descriptorCount)
    if core.batches {
      if batchCount == 0 { batchStart = used }
      batchCount &+= 1
      core.batchID = chain.id
      core.batchLength = written
      used.advance(by: chain.descriptorCount, size: ringSize)
      // A buffer that is skipped counts as used completely (virtio 1.2, 2.8.9): one that was not ends its batch.
      if UInt64(written) != chain.writableByteCount { writeBatch() }
    } else {
      write(at: used, chain.id, written)
      used.advance(by: chain.descriptorCount, size: ringSize)
    }
  }

  /// Makes the completions noted so far visible, with one store of the first one's flags.
  @inlinable
  public mutating func publish() {
    if batchCount != 0 { writeBatch() }
    if !isHolding { return }
    isHolding = false
    core.unannounced &+= UInt64(used.distance(from: published, size: ringSize))
    published = used
    // B11: pairs with B12 in PackedDriverQueue+Reclaim.swift.
    core.ordering.publish64(ring.descriptors, heldWord, at: heldOffset)
  }

  /// One used descriptor, over the batch's first available one, that names its last buffer.
  @inlinable @inline(__always)
  mutating func writeBatch() {
    write(at: batchStart, core.batchID, core.batchLength)
    batchCount = 0
  }

  @inlinable @inline(__always)
  mutating func write(at position: WrapCounter, _ id: UInt16, _ length: UInt32) {
    let flags = position.usedFlags | (length != 0 ? DescriptorFlags.write : 0)
    let word = PackedRing.word(length: length, id: id, flags: flags)
    let offset = Int(position.offset) &* 16 &+ 8
    if isHolding {
      ring.descriptors.storeRelease64(word, offset)
    } else {
      isHolding = true
      heldOffset = offset
      heldWord = word
    }
  }
}
