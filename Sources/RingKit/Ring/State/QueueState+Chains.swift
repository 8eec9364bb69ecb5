extension QueueState {
  /// Writes down what a device holds, as its caller says.
  mutating func hold(_ chains: [HeldChain]) throws(QueueStateError) {
    for held in chains {
      let chain = held.chain
      var sums: (readable: UInt64, writable: UInt64) = (0, 0)
      for segment in held.segments {
        if segment.access == .deviceReadable {
          sums.readable += UInt64(segment.byteCount)
        } else {
          sums.writable += UInt64(segment.byteCount)
        }
      }
      guard held.segments.count == chain.segmentCount, sums.readable == chain.readableByteCount,
        sums.writable == chain.writableByteCount
      else { throw .wrongChains(reason: "the segments given with id \(chain.id) are not those of the chain") }
      self.held.append(
        Chain(
          id: chain.id, descriptorCount: chain.descriptorCount,
          segments: held.segments.map {
            Segment(
              address: 0, deviceAddress: $0.address.rawValue, length: UInt32($0.byteCount),
              isWritable: $0.access == .deviceWritable)
          }))
    }
  }
}

extension ChainBuilder {
  /// Finds a held chain's memory again, through the translator that is here.
  mutating func rebuild<Translator: DMATranslator & ~Copyable>(
    _ chain: QueueState.Chain, _ translator: inout Translator
  ) throws(QueueStateError) -> DeviceChain {
    begin()
    for segment in chain.segments {
      do throws(QueueError) {
        try append(
          IOVA(segment.deviceAddress), segment.length, isWritable: segment.isWritable, &translator)
      } catch { throw .chain(id: chain.id, error) }
    }
    return self.chain(id: chain.id, descriptorCount: chain.descriptorCount)
  }
}
