/// DMA path `dma-mask`: what the device can address goes to it as it is, what lies beyond is bounced.
///
/// The proposal to narrow a device's `bus_dma_mask`: a segment that ends at or below the mask takes the way of
/// ``IdentityMapper``, with its dispatch; any other is copied through a ``SwiotlbPool`` below the mask, as
/// ``SwiotlbMapper`` does (Linux: `dma_direct_map_page`, which asks `dma_capable`). Owned by one thread; the pool may
/// be shared.
///
/// Segments in the pool's own memory are no payload: to undo one is refused.
@frozen @safe
public struct DMAMaskMapper<Counter: WorkCounter>: PairedPath, DrainedMapper, ~Copyable {
  /// What this mapper and the queue around it did; ``WorkEvent/bounced`` counts what lay beyond the mask.
  public var work: Counter
  /// The highest address the device can put on the bus.
  public let mask: UInt64

  @usableFromInline var near: IdentityMapper<Counter>
  @usableFromInline var far: SwiotlbMapper<Counter>
  @usableFromInline let poolBase: UInt64
  @usableFromInline let poolByteCount: UInt64

  /// A mapper for a device that reaches addresses up to `mask`.
  ///
  /// - Parameters:
  ///   - mask: the highest address the device can put on the bus (Linux: the smaller of `dma_mask` and
  ///     `bus_dma_limit`).
  ///   - memory: the driver's memory.
  ///   - pool: the slots, in memory the device sees, all of it at or below the mask.
  ///   - cpu: the CPU of the thread that will own the mapper; the calling thread's when `nil`.
  ///   - counter: counts the work.
  /// - Throws: ``ConfigurationError/poolBeyondMask(_:byteCount:limit:)``.
  public init(
    mask: UInt64, memory: GuestMemory, pool: SwiotlbPool, cpu: Int? = nil, counter: Counter
  ) throws(ConfigurationError) {
    try self.init(mask: mask, memory: memory, pool: pool, cpu: cpu, dispatch: .indirect, counter: counter)
  }

  /// A mapper whose DMA API's operations are called in a way of one's own.
  package init(
    mask: UInt64, memory: GuestMemory, pool: SwiotlbPool, cpu: Int? = nil, dispatch: IdentityDispatch, counter: Counter
  ) throws(ConfigurationError) {
    let (address, count) = (pool.buffer.address, pool.buffer.byteCount)
    // A region ends below 2^64, so the last byte's address does not wrap.
    guard address.rawValue + UInt64(count - 1) <= mask else {
      throw .poolBeyondMask(address, byteCount: count, limit: mask)
    }
    near = try IdentityMapper(memory: memory, limit: mask, dispatch: dispatch, counter: counter)
    far = SwiotlbMapper(memory: memory, pool: pool, cpu: cpu, counter: counter)
    self.mask = mask
    poolBase = address.rawValue
    poolByteCount = UInt64(count)
    work = counter
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: SwiotlbMapping { SwiotlbMapping(address: IOVA(0), byteCount: 0, serial: 0) }

  /// Hands the segment over as it is, or takes bounce slots and copies it in.
  ///
  /// - Throws: as ``SwiotlbMapper/map(_:_:)`` for a segment beyond the mask; ``DMAError/outOfBounds(_:)`` for an empty
  ///   one.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: SwiotlbMapping) {
    let (last, overflow) = segment.address.rawValue.addingReportingOverflow(UInt64(segment.length) &- 1)
    // An empty segment wraps too, unless it starts at 0: both paths refuse it.
    if overflow || last > mask { return try bounce(segment, direction) }
    near.work = work
    let mapped = try near.map(segment, direction)
    work = near.work
    return (mapped.address, SwiotlbMapping(address: mapped.address, byteCount: segment.length, serial: 0))
  }

  /// Undoes what was done for the segment: nothing, or a copy back in full.
  ///
  /// - Throws: ``DMAError/notMapped(_:)``.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: SwiotlbMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    // As Linux tells the two apart: by whether the address lies in the pool (`is_swiotlb_buffer`).
    if mapping.address.rawValue &- poolBase < poolByteCount {
      try unbounce(mapping, direction)
      return 0
    }
    near.work = work
    try near.unmap(
      MemorySegment(GuestPhysicalAddress(mapping.address.rawValue), length: mapping.byteCount), direction)
    work = near.work
    return 0
  }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  /// A look-up among the shared regions.
  public func makeTranslator() -> RegionTranslator<Counter> { far.makeTranslator() }

  @inlinable
  mutating func bounce(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: SwiotlbMapping) {
    far.work = work
    defer { work = far.work }
    let mapped = try far.map(segment, direction)
    far.work.add(.bounced, 1)
    return mapped
  }

  @inlinable
  mutating func unbounce(_ mapping: SwiotlbMapping, _ direction: DMADirection) throws(DMAError) {
    far.work = work
    defer { work = far.work }
    try far.unmap(mapping, direction)
  }
}
