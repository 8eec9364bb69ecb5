extension PackedDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    precondition(!isInOrder || inFlight == 0, "chains are in flight that IN_ORDER completes first")
    var count = 0
    defer { publish() }
    while count < limit {
      count &+= try serveSingles(limit &- count, body)
      if count == limit { break }
      // The first that is not one contiguous element; or there is none.
      let chain: DeviceChain
      do throws(QueueError) {
        guard let next = try next() else { break }
        chain = next
      } catch { throw .queue(error) }
      let written: UInt32
      do throws(Failure) { written = try body(chain, ChainSegments(segments)) } catch { throw .body(error) }
      complete(chain, written: written)
      translator.service()
      count &+= 1
    }
    return count
  }

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  @inlinable @inline(__always)
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    // Barriers for hardware cost more than all that is saved here.
    if broken || heldDescriptors != 0 || ordering.platform { return 0 }
    let (descriptors, inOrder, isBacklogged) = (ring.descriptors, isInOrder, wasBacklogged)
    let looked = PackedRing.word(
      length: 0, id: 0,
      flags: DescriptorFlags.available | DescriptorFlags.used | DescriptorFlags.next | DescriptorFlags.indirect)
    let (writeFlag, idBits) = (
      PackedRing.word(length: 0, id: 0, flags: DescriptorFlags.write), PackedRing.word(length: 0, id: 0xffff, flags: 0)
    )
    wasBacklogged = false
    var count = 0
    while count < limit {
      let place = Int(used.offset)
      // To the ring's end, so that nothing inside has to look for the wrap.
      let run = min(limit &- count, ring.size &- place)
      // With more waiting than a batch the lines ahead are filled: taken for writing at once, each crosses once instead
      // of twice. Without, the driver is still at work on them.
      if isBacklogged { descriptors.prefetchForWriting(place &* 16, byteCount: 32 &* run) }
      let expected = PackedRing.word(length: 0, id: 0, flags: used.availableFlags)
      let lap = PackedRing.word(length: 0, id: 0, flags: used.usedFlags)
      // The word that `publish` stores: of the first descriptor used since the last one.
      let held = isHolding ? -1 : 0
      var (batch, batchEnd, batchWritten) = (batchCount, batchID, batchLength)
      var failure: ServeError<Failure>?
      var i = 0
      while i < run {
        let offset = (place &+ i) &* 16
        // B10: pairs with B9 in PackedDriverQueue+Add.swift.
        let word = descriptors.loadAcquire64(offset &+ 8)
        // What is wrong with what does not pass is for the careful path to say.
        if (word ^ expected) & looked != 0 { break }
        let segment: TranslatedSegment?
        do throws(DMAFault) {
          segment = try ChainBuilder.only(
            IOVA(descriptors.load64(offset)), UInt32(truncatingIfNeeded: word),
            isWritable: word & writeFlag != 0, &translator)
        } catch {
          failure = .queue(fail(error))
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
        translator.service()
        i &+= 1
      }
      count &+= i
      used.advance(by: UInt16(truncatingIfNeeded: i), size: ringSize)
      available = used
      if heldDescriptors != 0 { available.advance(size: ringSize) }
      (batchCount, batchID, batchLength) = (batch, batchEnd, batchWritten)
      if let failure { throw failure }
      if i != run { return count }
    }
    wasBacklogged = true
    return count
  }
}
