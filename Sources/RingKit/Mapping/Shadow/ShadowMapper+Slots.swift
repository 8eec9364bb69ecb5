internal import CRing

extension ShadowMapper {
  /// Whether another segment can be mapped.
  @inlinable @inline(__always)
  package var hasFreeSlot: Bool { freeCount != 0 }

  /// Clears what a device-readable segment left where a device-writable one now comes back from.
  @unsafe @usableFromInline @inline(never)
  func cleanse(_ slot: UInt32, _ host: UnsafeMutableRawPointer, _ byteCount: UInt32) {
    let residue = residues[Int(slot)]
    // SAFETY: neither is longer than the buffer.
    unsafe cring_clear(host, Int(min(residue, byteCount)))
    // What lies behind this segment stays, and is remembered.
    if residue <= byteCount { residues[Int(slot)] = 0 }
  }

  @usableFromInline @inline(never)
  mutating func search(_ segment: MemorySegment) throws(DMAError) -> HostAddress {
    if let record = table.record(of: segment.address) { recent = record }
    guard let host = recent.translate(segment.address, length: UInt64(segment.length)) else {
      throw .outOfBounds(segment)
    }
    return host
  }

  @usableFromInline @inline(never)
  func refusal(of segment: MemorySegment) -> DMAError {
    segment.length == 0
      ? .outOfBounds(segment) : .tooLarge(byteCount: Int(segment.length), maximum: Int(slotByteCount))
  }

  @usableFromInline @inline(never)
  func notMapped(_ mapping: ShadowMapping) -> DMAError {
    .notMapped(mapping.slot < slotCount ? IOVA(busBase &+ UInt64(mapping.slot) &* stride) : IOVA(0))
  }
}
