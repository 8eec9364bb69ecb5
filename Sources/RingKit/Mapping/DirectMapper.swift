/// DMA path `direct`: the guest-physical address itself, the DMA API bypassed.
///
/// Virtio as it was.
///
/// Not for a platform that limits or translates the device's access (VIRTIO_F_ACCESS_PLATFORM), nor for a guest whose
/// memory the device cannot see.
@frozen
public struct DirectMapper<Counter: WorkCounter>: DMAMapper, ~Copyable {
  /// What the queue around it did; the path itself does nothing that could be counted.
  public var work: Counter

  /// A mapper that counts nothing yet.
  @inlinable
  public init(counter: Counter) { work = counter }

  /// Nothing.
  @inlinable
  public static var unmapped: NoMapping { NoMapping() }

  /// The segment's own address.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: NoMapping) {
    (IOVA(untranslated: segment.address), NoMapping())
  }

  /// Nothing to undo.
  @inlinable @inline(__always)
  public mutating func unmap(_ mapping: NoMapping, _ direction: DMADirection) throws(DMAError) {}
}

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

/// What a path remembers that has nothing to undo.
@frozen
public struct NoMapping: BitwiseCopyable, Sendable {
  /// Nothing.
  @inlinable
  public init() {}
}
