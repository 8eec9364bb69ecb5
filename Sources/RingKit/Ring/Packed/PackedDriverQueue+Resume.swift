extension PackedDriverQueue where Mapper: ~Copyable {
  /// Where another device has to go on: offset and wrap counter of the next used descriptor, once all used ones were
  /// reclaimed; `nil` before.
  public var devicePosition: UInt16? {
    if batchRemaining != 0 { return nil }
    let word = ordering.observe64(ring.descriptors, at: Int(used.offset) &* 16 &+ 8)
    let marks = UInt16(truncatingIfNeeded: word >> 48) & (DescriptorFlags.available | DescriptorFlags.used)
    return marks == used.usedFlags && ledger.published != ledger.returned ? nil : used.word
  }
}
