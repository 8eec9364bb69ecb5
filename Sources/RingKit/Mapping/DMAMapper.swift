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

  /// Whether queues take over what ``map(_:_:)`` and ``unmap(_:_:written:)`` return without a check; false by default.
  ///
  /// For the paths of this package, which check themselves. A wrapper returns what the path beneath has.
  static var isTrusted: Bool { get }

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
  /// Results are checked.
  @inlinable
  public static var isTrusted: Bool { false }

  /// ``map(_:_:)``, with a check that the address can be that of a segment of this length.
  ///
  /// - Throws: ``DMAError/wrongAddress(_:byteCount:)``; then the mapping was undone.
  @inlinable @inline(__always)
  package mutating func mapChecked(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    let mapped = try map(segment, direction)
    if Self.isTrusted { return mapped }
    if segment.length == 0 || mapped.address.advanced(by: UInt64(segment.length) &- 1) != nil { return mapped }
    try takeBack(mapped.mapping, direction)
    throw .wrongAddress(mapped.address, byteCount: segment.length)
  }

  /// ``unmap(_:_:written:)``, with a check that no more bytes are counted than the device wrote.
  ///
  /// - Throws: ``DMAError/wrongCount(_:limit:)``; the segment is unmapped all the same.
  @inlinable @inline(__always)
  package mutating func unmapChecked(
    _ mapping: Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let count = try unmap(mapping, direction, written: written)
    if !Self.isTrusted && count > written { throw .wrongCount(count, limit: written) }
    return count
  }

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

extension ResumableMapper where Self: ~Copyable {
  /// ``address(of:_:)``, with a check that the address can be that of a segment of this length.
  ///
  /// - Throws: ``DMAError/wrongAddress(_:byteCount:)``.
  func addressChecked(of mapping: Mapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    let address = try address(of: mapping, segment)
    guard Self.isTrusted || address.advanced(by: UInt64(max(segment.length, 1)) - 1) != nil else {
      throw .wrongAddress(address, byteCount: segment.length)
    }
    return address
  }
}

/// A mapper whose mappings no other one takes over: a queue's state is saved and restored while nothing is in flight.
///
/// What it has mapped and not unmapped ends with what it maps in: the mapper's own buffers (`shadow`), or what several
/// mappers share, a bounce pool, a window, a domain or a device's address space, and not before that goes away.
public protocol DrainedMapper: ResumableMapper, ~Copyable {}

extension DrainedMapper where Self: ~Copyable {
  /// Throws ``DMAError/notResumable(_:at:)``: no other mapper would take the mapping over.
  public func address(of mapping: Mapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    throw .notResumable(segment, at: IOVA(untranslated: segment.address))
  }

  /// Throws ``DMAError/notResumable(_:at:)``: no mapping of another mapper is taken over.
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
/// A translator is a value owned by the device's thread, inside one device queue, which is generic over it. It decides
/// whether the access is permitted. The queue checks that what it returns is no longer than what was asked for and lies
/// in a region that the device can see, unless the type ``isTrusted``.
public protocol DMATranslator: ~Copyable {
  /// Whether work is counted.
  associatedtype Counter: WorkCounter

  /// What this translator and the queue around it did.
  var work: Counter { get set }

  /// Whether a queue takes over what ``translate(_:byteCount:for:)`` returns without a check; false by default.
  ///
  /// For the translators of this package, which look addresses up in the guest's regions themselves. A type that
  /// returns true is responsible as with `unsafe`: a range outside the guest's memory is then read and written. A
  /// wrapper may return what the translator beneath has if it changes no result.
  static var isTrusted: Bool { get }

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

  /// Whether ``fetchAhead(_:byteCount:for:)`` does anything; false by default.
  static var fetchesAhead: Bool { get }

  /// Fetches the first lines of a buffer that is probably served soon, in the order of a device that works through it.
  ///
  /// A hint: address and length are any values that stand in a descriptor, and nothing is decided by them. Empty by
  /// default.
  func fetchAhead(_ address: IOVA, byteCount: UInt32, for access: DMADirection)

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

extension DMATranslator where Self: ~Copyable {
  /// Results are checked.
  @inlinable
  public static var isTrusted: Bool { false }

  /// Nothing is fetched ahead.
  @inlinable
  public static var fetchesAhead: Bool { false }

  /// Nothing is fetched ahead.
  @inlinable
  public func fetchAhead(_ address: IOVA, byteCount: UInt32, for access: DMADirection) {}

  /// ``translate(_:byteCount:for:)``, with a check of what came back.
  ///
  /// - Parameters:
  ///   - address: as it is passed on.
  ///   - byteCount: likewise.
  ///   - access: likewise.
  ///   - memory: where the range has to lie; needed for a translator that is not trusted.
  /// - Returns: what the translator returned.
  /// - Throws: ``DMAFault``; of it ``DMAFault/wrongCount(_:byteCount:limit:)`` and
  ///   ``DMAFault/wrongTarget(_:_:byteCount:)``.
  @inlinable @inline(__always)
  mutating func translateChecked(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection, in memory: borrowing ReachableMemory
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let range = try translate(address, byteCount: byteCount, for: access)
    if !Self.isTrusted { try memory.check(range, address, limit: byteCount) }
    return range
  }
}

extension DMATranslator where Self: ~Copyable {
  /// The memory behind a descriptor, for a device queue of your own: each part that is contiguous here, in order.
  ///
  /// Every part is checked, whether or not the type is trusted. Allocates; the bytes are shared, so a hostile driver
  /// may change them at any time.
  ///
  /// - Parameters:
  ///   - address: as the driver wrote it: any value.
  ///   - byteCount: bytes of the descriptor.
  ///   - access: what the device is about to do.
  ///   - memory: the memory that the parts have to lie in.
  /// - Returns: the parts, none of them empty; no part for no bytes.
  /// - Throws: ``DMAFault``.
  public mutating func segments(
    at address: IOVA, byteCount: UInt32, for access: DMADirection, in memory: GuestMemory
  ) throws(DMAFault) -> [TranslatedSegment] {
    let reachable = ReachableMemory(memory)
    var parts: [TranslatedSegment] = []
    var done: UInt64 = 0
    while done < UInt64(byteCount) {
      guard let next = address.advanced(by: done) else {
        throw .addressOverflow(address, byteCount: UInt64(byteCount))
      }
      let left = UInt64(byteCount) - done
      let range = try translate(next, byteCount: left, for: access)
      try reachable.check(range, next, limit: left)
      parts.append(TranslatedSegment(next, host: range.host, length: UInt32(range.byteCount), access: access))
      done += range.byteCount
    }
    return parts
  }
}

/// The memory that a device's translator may lead to: the shared regions of a guest.
@frozen
@usableFromInline
struct ReachableMemory: ~Copyable {
  // Keeps the table.
  let memory: GuestMemory?
  @usableFromInline let table: RegionTable?

  /// The shared regions of `memory`; nothing for `nil`, which is for translators that are trusted.
  init(_ memory: GuestMemory?) {
    self.memory = memory
    table = memory?.deviceTable
  }

  /// Checks what a translator returned for `limit` bytes at `address`.
  @inlinable @inline(never)
  func check(
    _ range: (host: HostAddress, byteCount: UInt64), _ address: IOVA, limit: UInt64
  ) throws(DMAFault) {
    guard range.byteCount >= 1, range.byteCount <= limit else {
      throw .wrongCount(address, byteCount: range.byteCount, limit: limit)
    }
    guard let table, table.contains(range.host, byteCount: range.byteCount) else {
      throw .wrongTarget(address, range.host, byteCount: range.byteCount)
    }
  }
}
