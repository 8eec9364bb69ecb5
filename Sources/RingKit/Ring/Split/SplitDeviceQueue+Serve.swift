extension SplitDeviceQueue where Translator: ~Copyable {
  /// Takes up to `limit` buffers, has each served on the spot, completes them and publishes.
  @inlinable @inline(__always)
  public mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, Span<TranslatedSegment>) throws(Failure) -> UInt32
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
      do throws(Failure) { written = try body(chain, segments) } catch { throw .body(error) }
      complete(chain, written: written)
      translator.service()
      count &+= 1
    }
    return count
  }

  /// Serves buffers of one contiguous element as long as they come, with everything the loop needs in locals.
  @inlinable @inline(__always)
  mutating func serveSingles<Failure: Error>(
    _ limit: Int, _ body: (DeviceChain, Span<TranslatedSegment>) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    if broken { return 0 }
    if availableSeen == fetched {
      do throws(QueueError) { guard try observeAvailable() else { return 0 } } catch { throw .queue(error) }
    }
    let (ring, mask, seen, inOrder) = (ring, mask, availableSeen, isInOrder)
    var (at, done) = (fetched, completed)
    var (batch, batchEnd, batchWritten) = (batchCount, batchID, batchLength)
    var count = 0
    var failure: ServeError<Failure>?
    while count < limit && at != seen {
      let head = ring.available.load16(4 &+ 2 &* Int(at.slot(mask: mask)))
      // What the index covers is written, so fetching ahead takes nothing from the driver; nor does the used line.
      if head & 3 == 0 && seen.distance(from: at) > 8 {
        ring.descriptors.prefetchForReading(Int(head) &* 16 &+ 128)
        ring.used.prefetchForWriting(8 &* Int(at.slot(mask: mask)) &+ 128)
      }
      // What is wrong with what does not pass is for the careful path to say.
      if head > mask { break }
      let (address, word) = fetch(head)
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      if flags & (DescriptorFlags.next | DescriptorFlags.indirect) != 0 { break }
      let segment: TranslatedSegment?
      do throws(DMAFault) {
        segment = try builder.single(
          address, UInt32(truncatingIfNeeded: word), isWritable: flags & DescriptorFlags.write != 0, &translator)
      } catch {
        failure = .queue(fail(error))
        break
      }
      guard let segment else { break }
      at = at.advanced(by: 1)
      let chain = DeviceChain(id: head, segment: segment)
      let written: UInt32
      do throws(Failure) { written = try body(chain, segments) } catch {
        failure = .body(error)
        break
      }
      precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
      if inOrder {
        batch &+= 1
        (batchEnd, batchWritten) = (head, written)
        done = done.advanced(by: 1)
        // A buffer that is skipped counts as used completely (virtio 1.2, 2.7.9): one that was not ends its batch.
        if UInt64(written) != chain.writableByteCount {
          write(RingIndex(done.rawValue &- batch), head, written)
          batch = 0
        }
      } else {
        write(done, head, written)
        done = done.advanced(by: 1)
      }
      // A driver that unmaps waits for this thread; a unit in hardware would not let it wait for a whole batch.
      translator.service()
      count &+= 1
    }
    (fetched, completed) = (at, done)
    (batchCount, batchID, batchLength) = (batch, batchEnd, batchWritten)
    if let failure { throw failure }
    return count
  }
}
