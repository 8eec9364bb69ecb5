extension DirectMapper {
  /// The segment's own address.
  public func address(of mapping: NoMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    IOVA(untranslated: segment.address)
  }

  /// Nothing to take over but the address, which has to be the segment's own.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> NoMapping {
    guard address == IOVA(untranslated: segment.address) else { throw .notResumable(segment, at: address) }
    return NoMapping()
  }
}
