public import RingKit

extension PremappedMapper {
  /// The segment's address in its buffer's window.
  public func address(of mapping: NoMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    for i in 0..<windowCount {
      let window = windows[i]
      let offset = segment.address.rawValue &- window.guestBase
      if offset < window.byteCount && UInt64(segment.length) &- 1 < window.byteCount &- offset {
        return IOVA(window.iovaBase &+ offset)
      }
    }
    throw .notPremapped(segment)
  }

  /// Takes over what lies at the same place in the same window.
  ///
  /// Windows get the same IOVAs in another domain when the same buffers are mapped in the same order, and first.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> NoMapping {
    let (mine, mapping) = try map(segment, direction)
    guard mine == address else { throw .notResumable(segment, at: address) }
    return mapping
  }
}
