/// What turns a segment of guest memory into the address that stands in a descriptor: one DMA path, driver's side.
///
/// A mapper is a value owned by one thread, inside one driver queue, which is generic over it: calls are direct and
/// inline. State that several queues share (an IOVA allocator, a bounce pool) lies behind it and has its own locks.
/// Mapping is per segment, never per chain (Linux: `dma_map_page`/`dma_unmap_page` in virtio_ring.c).
public protocol DMAMapper: ~Copyable {
  /// What must be remembered, in the driver's private memory, to undo one mapping. Empty for a path that keeps nothing.
  associatedtype Mapping: BitwiseCopyable
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this mapper and the queue around it did.
  var work: Counter { get set }

  /// A value for slots of a table in which nothing is mapped yet.
  static var unmapped: Mapping { get }

  /// Makes a segment reachable for the device and hands over its contents.
  ///
  /// - Returns: the address for the descriptor, and what ``unmap(_:_:)`` needs.
  /// - Throws: ``DMAError``; then nothing was mapped.
  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping)

  /// Takes a segment back from the device, with what the device wrote.
  ///
  /// Bytes beyond `written` need not reach the segment: a path that copies may copy no more than that.
  ///
  /// - Parameters:
  ///   - mapping: what ``map(_:_:)`` returned.
  ///   - direction: as it was mapped.
  ///   - written: bytes the device says it wrote from the segment's first byte on, into this segment or the following
  ///     ones of its chain; 0 for a device-readable segment. Never more than the chain's writable segments hold, but
  ///     the mapper checks it against the length of this one.
  /// - Returns: how many of these bytes lie in this segment; 0 from a path that copies all or nothing.
  /// - Throws: ``DMAError`` when the mapping is not one of this mapper's, or the IOMMU does not answer.
  mutating func unmap(_ mapping: Mapping, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32

  /// Does what is due by now although no map or unmap asked for it (Linux: the flush queue's timer).
  ///
  /// Empty in a path that defers nothing. There is no default: a wrapper has to pass it on.
  mutating func poll() throws(DMAError)

  /// Completes everything that was deferred, so that no mapping that was undone can still be used by the device.
  ///
  /// Empty in a path that defers nothing. There is no default: a wrapper has to pass it on.
  mutating func flush() throws(DMAError)
}

extension DMAMapper where Self: ~Copyable {
  /// Takes a segment back with all its bytes, whatever the device wrote.
  @inlinable @inline(__always)
  public mutating func unmap(_ mapping: Mapping, _ direction: DMADirection) throws(DMAError) {
    _ = try unmap(mapping, direction, written: .max)
  }

  /// ``unmap(_:_:written:)`` of a segment the device wrote nothing into, as a call: for code that is rarely reached.
  @inlinable @inline(never)
  mutating func takeBack(_ mapping: Mapping, _ direction: DMADirection) throws(DMAError) {
    _ = try unmap(mapping, direction, written: 0)
  }
}

/// A mapper with the device's side of its path: both ends of a queue come from one value, so they belong together.
///
/// What ``Virtqueue`` is made over. A mapper whose device is elsewhere (hardware, another process) is no more than a
/// ``DMAMapper``.
public protocol PairedPath: DMAMapper, ~Copyable {
  /// The device's side.
  associatedtype Translator: DMATranslator & ~Copyable where Translator.Counter == Counter

  /// A translator of the addresses that this mapper hands out, for one device queue.
  func makeTranslator() -> Translator
}

/// A mapper whose mappings another mapper of the same path can take over, in this process or another one.
///
/// What saving and restoring a queue's state needs.
public protocol ResumableMapper: DMAMapper, ~Copyable {
  /// The address the device was given for a segment that is mapped, for a queue's state (``QueueState``).
  ///
  /// - Parameters:
  ///   - mapping: what ``DMAMapper/map(_:_:)`` returned.
  ///   - segment: what the caller says was mapped; checked as far as the path remembers it.
  /// - Returns: what stands in the descriptor.
  /// - Throws: ``DMAError/notMapped(_:)`` when the mapping is of another segment.
  func address(of mapping: Mapping, _ segment: MemorySegment) throws(DMAError) -> IOVA

  /// Takes over a mapping that another mapper of this path made, before the device goes on.
  ///
  /// The device may hold the address, so it stays what it was, and so does what lies there: a path that bounces
  /// leaves its slot as it is. To be called before anything is mapped anew.
  ///
  /// - Returns: what ``DMAMapper/unmap(_:_:written:)`` needs.
  /// - Throws: ``DMAError/alreadyMapped(_:)`` when the address is taken here, ``DMAError/notResumable(_:at:)`` when
  ///   this mapper would never have given it to that segment, or as ``DMAMapper/map(_:_:)``.
  mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> Mapping
}

/// A mapper whose mappings end with it: a queue's state can be saved and restored while nothing is in flight.
public protocol DrainedMapper: ResumableMapper, ~Copyable {}

extension DrainedMapper where Self: ~Copyable {
  /// Refused.
  public func address(of mapping: Mapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    throw .notResumable(segment, at: IOVA(untranslated: segment.address))
  }

  /// Refused.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> Mapping {
    throw .notResumable(segment, at: address)
  }
}

/// Which way a segment's bytes go, seen from the device.
@frozen
public enum DMADirection: UInt8, Sendable, CaseIterable {
  /// The device reads what the driver wrote (DMA_TO_DEVICE).
  case deviceReadable
  /// The device writes what the driver will read (DMA_FROM_DEVICE).
  case deviceWritable
}

/// What turns the address in a descriptor into memory: one DMA path, device's side.
///
/// A translator is a value owned by the device's thread, inside one device queue, which is generic over it. What it
/// returns is checked: inside memory the device can see, and permitted for the access.
public protocol DMATranslator: ~Copyable {
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this translator and the queue around it did.
  var work: Counter { get set }

  /// Where the first bytes of a range are, and how many of them are contiguous here.
  ///
  /// - Parameters:
  ///   - address: the first byte's address, as the driver wrote it: any value.
  ///   - byteCount: bytes wanted, at least 1. A caller whose range is longer than what comes back asks again for the
  ///     rest.
  ///   - access: what the device is about to do.
  /// - Returns: the host address and a count between 1 and `byteCount`.
  /// - Throws: ``DMAFault``.
  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)

  /// Serves what the driver asked of the device's IOMMU since the last call; cheap when that is nothing.
  ///
  /// Empty where there is no IOMMU.
  mutating func service()

  /// Says whether the driver's end of the queue runs on the device's thread from now on.
  ///
  /// Behind an IOMMU a driver waits for its invalidations, and on one thread has to serve them itself; elsewhere
  /// empty. ``Virtqueue`` calls it.
  mutating func shareThread(_ isShared: Bool)
}
