extension PackedDeviceQueue where Translator: ~Copyable {
  /// Notes that the device is done with a chain.
  ///
  /// Completing more chains than were fetched, or claiming more bytes than a chain can take, is a mistake of the caller.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(
      inFlight > 0 && heldDescriptors >= UInt32(chain.descriptorCount),
      "a chain is completed that was not fetched, or twice")
    precondition(UInt64(written) <= chain.writableByteCount, "more bytes written than the chain can take")
    inFlight &-= 1
    heldDescriptors &-= UInt32(chain.descriptorCount)
    if isInOrder {
      if batchCount == 0 { batchStart = used }
      batchCount &+= 1
      batchID = chain.id
      batchLength = written
      used.advance(by: chain.descriptorCount, size: ringSize)
      // A buffer that is skipped counts as used completely (virtio 1.2, 2.8.9): one that was not ends its batch.
      if UInt64(written) != chain.writableByteCount { writeBatch() }
    } else {
      write(at: used, chain.id, written)
      used.advance(by: chain.descriptorCount, size: ringSize)
    }
  }

  /// Gives the buffer that was completed last a used descriptor of its own, instead of one that it shares with its batch.
  ///
  /// For drivers that look for one descriptor a buffer although IN_ORDER lets a device retire a batch with one. Without IN_ORDER each has its own
  /// anyway. Nothing becomes visible by it.
  @inlinable @inline(__always)
  public mutating func endBatch() {
    if batchCount != 0 { writeBatch() }
  }

  /// Makes the completions noted so far visible, with one store of the first one's flags.
  @inlinable
  public mutating func publish() {
    if batchCount != 0 { writeBatch() }
    if !isHolding { return }
    isHolding = false
    unannounced &+= UInt64(used.distance(from: published, size: ringSize))
    published = used
    // B11: pairs with B12 in PackedDriverQueue+Reclaim.swift.
    ordering.publish64(ring.descriptors, heldWord, at: heldOffset)
  }

  /// One used descriptor, over the batch's first available one, that names its last buffer.
  @inlinable @inline(__always)
  mutating func writeBatch() {
    write(at: batchStart, batchID, batchLength)
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
