extension PackedDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, Span<TranslatedSegment>) throws(Failure) -> UInt32
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
      do throws(Failure) { written = try body(chain, segments) } catch { throw .body(error) }
      complete(chain, written: written)
      translator.service()
      count &+= 1
    }
    return count
  }

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  ///
  /// Only with nothing else in flight: then each used descriptor lies over its available one, and one position is both.
  @inlinable @inline(__always)
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, Span<TranslatedSegment>) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if broken || heldDescriptors != 0 { return 0 }
    let (descriptors, size, inOrder, isBacklogged) = (ring.descriptors, ringSize, isInOrder, wasBacklogged)
    var position = used
    var (batch, batchFirst, batchEnd, batchWritten) = (batchCount, batchStart, batchID, batchLength)
    var count = 0
    var failure: ServeError<Failure>?
    while count < limit {
      let offset = Int(position.offset) &* 16
      // With more waiting than a batch the lines ahead are filled: taken for writing at once, each crosses once instead
      // of twice. Without, the driver is still at work on them.
      if isBacklogged && offset & 63 == 0 { descriptors.prefetchForWriting(offset &+ 128) }
      // B10: pairs with B9 in PackedDriverQueue+Add.swift.
      let word = ordering.observe64(descriptors, at: offset &+ 8)
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      // What is wrong with what does not pass is for the careful path to say.
      let looked = DescriptorFlags.available | DescriptorFlags.used | DescriptorFlags.next | DescriptorFlags.indirect
      if flags & looked != position.availableFlags { break }
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try builder.single(
          IOVA(descriptors.load64(offset)), UInt32(truncatingIfNeeded: word),
          isWritable: flags & DescriptorFlags.write != 0, &translator)
      } catch {
        failure = .queue(fail(error))
        break
      }
      guard let segment else { break }
      let chain = DeviceChain(id: UInt16(truncatingIfNeeded: word >> 32), segment: segment)
      let written: UInt32
      do throws(Failure) { written = try body(chain, segments) } catch {
        // Fetched and not completed: it stays with the device.
        heldDescriptors = 1
        inFlight = 1
        failure = .body(error)
        break
      }
      precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
      if inOrder {
        if batch == 0 { batchFirst = position }
        batch &+= 1
        (batchEnd, batchWritten) = (chain.id, written)
        // A buffer that is skipped counts as used completely (virtio 1.2, 2.8.9): one that was not ends its batch.
        if UInt64(written) != chain.writableByteCount {
          write(at: batchFirst, chain.id, written)
          batch = 0
        }
      } else {
        write(at: position, chain.id, written)
      }
      position.advance(size: size)
      // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
      translator.service()
      count &+= 1
    }
    wasBacklogged = count == limit
    (available, used) = (position, position)
    if heldDescriptors != 0 { available.advance(size: size) }
    (batchCount, batchStart, batchID, batchLength) = (batch, batchFirst, batchEnd, batchWritten)
    if let failure { throw failure }
    return count
  }
}
