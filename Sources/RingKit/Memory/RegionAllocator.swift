/// Carves buffers out of a region, one after the other, for as long as the region lives.
///
/// For set-up, not for the data path: nothing is ever given back. Owned by one thread.
public struct RegionAllocator: Sendable {
  /// The region that is carved.
  public let region: MemoryRegion
  private var offset = 0

  /// Starts at the region's first byte.
  public init(_ region: MemoryRegion) { self.region = region }

  /// Bytes not yet handed out.
  public var available: Int { region.byteCount - offset }

  /// The next `byteCount` bytes at a guest-physical address that is a multiple of `alignment`.
  ///
  /// - Throws: ``MemoryError/exhausted(requested:available:)`` or ``MemoryError/invalidAlignment(_:)``.
  public mutating func allocate(_ byteCount: Int, alignment: Int = 64) throws(MemoryError) -> GuestBuffer {
    guard alignment > 0, alignment & (alignment - 1) == 0 else { throw .invalidAlignment(alignment) }
    guard byteCount > 0 else { throw .invalidSize(byteCount) }
    let misalignment = Int((region.guestBase.rawValue &+ UInt64(offset)) & UInt64(alignment - 1))
    let padding = misalignment == 0 ? 0 : alignment - misalignment
    guard available >= padding, available - padding >= byteCount else {
      throw .exhausted(requested: byteCount, available: max(available - padding, 0))
    }
    offset += padding
    defer { offset += byteCount }
    return GuestBuffer(region: region, offset: offset, byteCount: byteCount)
  }
}
