extension SplitDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    precondition(!isInOrder || fetched == completed, "chains are in flight that IN_ORDER completes first")
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
    if broken { return 0 }
    if availableSeen == fetched {
      do throws(QueueError) { guard try observeAvailable() else { return 0 } } catch { throw .queue(error) }
    }
    let (ring, mask, inOrder) = (ring, mask, isInOrder)
    let careful = UInt64(DescriptorFlags.next | DescriptorFlags.indirect) << 32
    let writeFlag = UInt64(DescriptorFlags.write) << 32
    var count = 0
    while count < limit && fetched != availableSeen {
      let (place, usedPlace) = (Int(fetched.slot(mask: mask)), Int(completed.slot(mask: mask)))
      // To where a ring wraps, so that nothing inside has to look for it.
      let run = min(
        limit &- count, Int(availableSeen.distance(from: fetched)), ring.size &- max(place, usedPlace))
      fetchAhead(place, usedPlace, run)
      let done = completed
      var (batch, batchEnd, batchWritten) = (batchCount, batchID, batchLength)
      var failure: ServeError<Failure>?
      var failed = 0
      var i = 0
      while i < run {
        let head = ring.available.load16(4 &+ 2 &* (place &+ i))
        // What is wrong with what does not pass is for the careful path to say.
        if head > mask { break }
        let (address, word) = fetch(head)
        if word & careful != 0 { break }
        let segment: TranslatedSegment?
        do throws(DMAFault) {
          segment = try ChainBuilder.only(
            address, UInt32(truncatingIfNeeded: word), isWritable: word & writeFlag != 0, &translator)
        } catch {
          failure = .queue(fail(error))
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
          ring.used.store32(UInt32(head), 4 &+ 8 &* (usedPlace &+ i))
          ring.used.store32(written, 8 &+ 8 &* (usedPlace &+ i))
        }
        // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
        translator.service()
        i &+= 1
      }
      count &+= i
      fetched = fetched.advanced(by: UInt16(truncatingIfNeeded: i &+ failed))
      completed = completed.advanced(by: UInt16(truncatingIfNeeded: i))
      (batchCount, batchID, batchLength) = (batch, batchEnd, batchWritten)
      if let failure { throw failure }
      if i != run { break }
    }
    return count
  }

  /// Fetches the lines of this run and the next; for a few buffers they are there as fast without.
  ///
  /// What the index covers is written, so this takes nothing from the driver; nor does the used line. Heads mostly come in
  /// sequence; where they do not this fetches for nothing.
  @inlinable @inline(__always)
  func fetchAhead(_ place: Int, _ usedPlace: Int, _ run: Int) {
    let count = min(2 &* run, Int(availableSeen.distance(from: fetched)))
    if count <= 4 { return }
    let head = Int(ring.available.load16(4 &+ 2 &* place) & mask)
    ring.descriptors.prefetchForReading(head &* 16, byteCount: count &* 16)
    if !isInOrder { ring.used.prefetchForWriting(4 &+ 8 &* usedPlace, byteCount: 8 &* count) }
  }
}
