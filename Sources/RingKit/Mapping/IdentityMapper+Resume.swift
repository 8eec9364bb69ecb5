extension IdentityMapper {
  /// The segment's own address.
  public func address(of mapping: IdentityMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    guard mapping.byteCount == segment.length, mapping.byteCount != 0,
      mapping.address == IOVA(untranslated: segment.address)
    else { throw .notMapped(mapping.address) }
    return mapping.address
  }

  /// Asks the map operation once more; its answer has to be the same.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> IdentityMapping {
    guard address == IOVA(untranslated: segment.address) else { throw .notResumable(segment, at: address) }
    return try map(segment, direction).mapping
  }
}
