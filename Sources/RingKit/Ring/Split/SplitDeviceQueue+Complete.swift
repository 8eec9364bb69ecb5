extension SplitDeviceQueue where Translator: ~Copyable {
  /// Notes that the device is done with a chain.
  ///
  /// Completing more chains than were fetched, or claiming more bytes than a chain can take, is a mistake of the caller.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(completed != fetched, "a chain is completed that was not fetched, or twice")
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    if isInOrder {
      batchCount &+= 1
      batchID = chain.id
      batchLength = written
      completed = completed.advanced(by: 1)
      // A buffer that is skipped counts as used completely (virtio 1.2, 2.7.9): one that was not ends its batch.
      if UInt64(written) != chain.writableByteCount { writeBatch() }
    } else {
      write(completed, chain.id, written)
      completed = completed.advanced(by: 1)
    }
  }

  /// Gives the buffer that was completed last a used entry of its own, instead of one that it shares with its batch.
  ///
  /// For drivers that look for one entry a buffer although IN_ORDER lets a device retire a batch with one. Without IN_ORDER each has its own
  /// anyway. Nothing becomes visible by it.
  @inlinable @inline(__always)
  public mutating func endBatch() {
    if batchCount != 0 { writeBatch() }
  }

  /// Makes the completions noted so far visible, with one store of the used index (S27, S28).
  @inlinable
  public mutating func publish() {
    if completed == published { return }
    if batchCount != 0 { writeBatch() }
    unannounced &+= UInt64(completed.distance(from: published))
    published = completed
    // B3: pairs with B4 in SplitDriverQueue+Reclaim.swift.
    ordering.publish16(ring.used, completed.rawValue, at: SplitRing.indexOffset)
  }

  /// One used entry, at the batch's first position, that names its last buffer.
  @inlinable @inline(__always)
  mutating func writeBatch() {
    write(RingIndex(completed.rawValue &- batchCount), batchID, batchLength)
    batchCount = 0
  }

  @inlinable @inline(__always)
  func write(_ index: RingIndex, _ id: UInt16, _ length: UInt32) {
    let offset = 4 &+ 8 &* Int(index.slot(mask: mask))
    ring.used.store32(UInt32(id), offset)
    ring.used.store32(length, offset &+ 4)
  }
}
