// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// DMA path `swiotlb`: every segment is copied through bounce slots the device can see.
///
/// What a secure VM does whose own memory is out of the device's reach. `map` takes a run of 2 KiB slots and copies the
/// whole segment in, a device-writable one too, so that bytes the device leaves alone survive; `unmap` copies a
/// device-writable segment back in full, whatever length the device reported (Linux kernel/dma/swiotlb.c). Segments of
/// a page or more start on a page; any other starts on a slot, and nothing of its address within a page is kept.
///
/// Owned by one thread. The pool behind it may be shared with other mappers. A mapping that is never undone keeps its
/// slots for the life of the pool.
///
/// Not for segments above 256 KiB.
@frozen @safe
public struct SwiotlbMapper<Counter: WorkCounter>: PairedPath, ~Copyable {
  /// What this mapper and the queue around it did.
  ///
  /// `slotsSearched` counts each slot looked at, the one that fitted included; `areasSkipped` each further area tried.
  public var work: Counter
  /// The CPU whose area is searched first.
  ///
  /// Linux asks at each mapping; here the thread that owns the mapper says so
  /// when it moves.
  public var cpu: UInt32

  @usableFromInline let table: RegionTable
  @usableFromInline let slots: SwiotlbSlots
  // In the high half of every tag: slots of other mappers of the pool are never taken for this one's.
  @usableFromInline let owner: UInt64
  @usableFromInline var serial: UInt32
  // Keep alive what the table and the slots point into.
  @usableFromInline let pool: SwiotlbPool
  @usableFromInline let memory: GuestMemory

  /// A mapper that bounces segments of `memory` through `pool`; keeps both alive.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory, private or shared; need not contain the pool.
  ///   - pool: the slots, in memory the device sees.
  ///   - cpu: the CPU of the thread that will own the mapper; the calling thread's when `nil`.
  ///   - counter: counts the work.
  public init(memory: GuestMemory, pool: SwiotlbPool, cpu: Int? = nil, counter: Counter) {
    self.memory = memory
    self.pool = pool
    self.cpu = UInt32(truncatingIfNeeded: cpu ?? max(Int(cring_current_cpu()), 0))
    table = memory.driverTable
    slots = pool.slots
    owner = UInt64(pool.nextMapperNumber()) << 32
    serial = 0
    work = counter
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes, which `unmap(_:_:)` refuses.
  @inlinable
  public static var unmapped: SwiotlbMapping { SwiotlbMapping(address: IOVA(0), byteCount: 0, serial: 0) }

  /// Takes slots for the segment and copies all of it in.
  ///
  /// - Complexity: O(length), and a search over up to all slots of the pool.
  /// - Throws: ``DMAError/outOfBounds(_:)`` (empty, or not the guest's memory),
  ///   ``DMAError/tooLarge(byteCount:maximum:)`` or ``DMAError/bouncePoolFull(byteCount:total:used:)``.
  @inlinable
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: SwiotlbMapping) {
    let byteCount = segment.length
    // One comparison for both ends: an empty segment wraps to the largest number.
    guard byteCount &- 1 < 262_144, let source = table.translate(segment.address, length: UInt64(byteCount)) else {
      throw refusal(of: segment)
    }
    let found = slots.allocate(byteCount, cpu: cpu)
    work.add(.slotsSearched, UInt64(found.searched))
    work.add(.areasSkipped, UInt64(found.skipped))
    guard found.slot != SwiotlbSearch.none else { throw full(segment) }
    serial &+= 1
    let offset = Int(found.slot) &<< 11
    // SAFETY: the search returned a slot of the pool, and the run it heads is this mapper's until released. The source
    // was found inside one region, and the run has room for `byteCount` bytes.
    unsafe (slots.slots + Int(found.slot)).pointee.original = source.rawValue
    unsafe cring_store_relaxed_64(slots.slots + Int(found.slot), owner | UInt64(serial))
    unsafe HostAddress(rawValue: slots.hostBase).advanced(by: offset).pointer.copyMemory(
      from: source.pointer, byteCount: Int(byteCount))
    work.add(.maps, 1)
    work.add(.bytesCopiedIn, UInt64(byteCount))
    let address = IOVA(slots.busBase &+ UInt64(offset))
    return (address, SwiotlbMapping(address: address, byteCount: byteCount, serial: serial))
  }

  /// Copies a device-writable segment back in full and releases its slots.
  ///
  /// - Complexity: O(length), and up to 127 slots before the run.
  /// - Throws: ``DMAError/notMapped(_:)`` when the mapping is another mapper's or was undone before; then nothing was
  ///   copied or released.
  @inlinable
  public mutating func unmap(
    _ mapping: SwiotlbMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let offset = mapping.address.rawValue &- slots.busBase
    let slot = offset &>> 11
    guard slot < UInt64(slots.slotCount) else { throw notMapped(mapping) }
    // SAFETY: slot < slotCount. The tag can only be this mapper's if the slot is: no other thread writes it then.
    let record = unsafe slots.slots + Int(slot)
    guard unsafe cring_load_relaxed_64(record) == owner | UInt64(mapping.serial) else { throw notMapped(mapping) }
    unsafe cring_store_relaxed_64(record, 0)
    if direction == .deviceWritable {
      // SAFETY: the record and the mapping were made together, for a segment inside one region of `memory`.
      unsafe HostAddress(rawValue: record.pointee.original).pointer.copyMemory(
        from: HostAddress(rawValue: slots.hostBase).advanced(by: Int(offset)).pointer,
        byteCount: Int(mapping.byteCount))
      work.add(.bytesCopiedOut, UInt64(mapping.byteCount))
    }
    slots.release(UInt32(truncatingIfNeeded: slot), mapping.byteCount)
    work.add(.unmaps, 1)
    return 0
  }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  /// A look-up among the shared regions.
  public func makeTranslator() -> RegionTranslator<Counter> { RegionTranslator(memory: memory, counter: Counter()) }

  @usableFromInline @inline(never)
  func refusal(of segment: MemorySegment) -> DMAError {
    let maximum = SwiotlbPool.maximumMappingByteCount
    guard segment.length <= maximum else { return .tooLarge(byteCount: Int(segment.length), maximum: maximum) }
    return .outOfBounds(segment)
  }

  @usableFromInline @inline(never)
  func full(_ segment: MemorySegment) -> DMAError {
    .bouncePoolFull(byteCount: Int(segment.length), total: pool.slotCount, used: pool.usedSlots)
  }

  @usableFromInline @inline(never)
  func notMapped(_ mapping: SwiotlbMapping) -> DMAError { .notMapped(mapping.address) }
}

extension SwiotlbMapper where Counter == UncountedWork {
  /// A mapper with a bounce pool of its own in shared memory of the guest; counts nothing.
  ///
  /// - Parameters:
  ///   - memory: the guest's memory.
  ///   - poolByteCount: bytes of the pool, a multiple of 256 KiB.
  /// - Throws: ``MemoryError``, ``ConfigurationError``.
  public init(_ memory: GuestMemory, poolByteCount: Int = 1 << 20) throws {
    let pool = try SwiotlbPool(memory.allocate(poolByteCount, alignment: 4096))
    self.init(memory: memory, pool: pool, counter: UncountedWork())
  }
}

extension SwiotlbMapper: ResumableMapper {
  /// The address of the segment's first slot.
  public func address(of mapping: SwiotlbMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    let slot = (mapping.address.rawValue &- slots.busBase) &>> 11
    guard slot < UInt64(slots.slotCount), mapping.byteCount == segment.length,
      let source = table.translate(segment.address, length: UInt64(segment.length))
    else { throw notMapped(mapping) }
    // SAFETY: slot < slotCount, and only this mapper writes a record that bears its tag.
    let record = unsafe slots.slots + Int(slot)
    guard unsafe cring_load_relaxed_64(record) == owner | UInt64(mapping.serial),
      unsafe record.pointee.original == source.rawValue
    else { throw notMapped(mapping) }
    return mapping.address
  }

  /// Takes exactly these slots, and leaves in them what the device was given and what it wrote so far.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> SwiotlbMapping {
    guard segment.length &- 1 < UInt32(SwiotlbPool.maximumMappingByteCount),
      let source = table.translate(segment.address, length: UInt64(segment.length))
    else { throw refusal(of: segment) }
    let offset = address.rawValue &- slots.busBase
    guard offset % UInt64(SwiotlbPool.slotByteCount) == 0, offset &>> 11 < UInt64(slots.slotCount) else {
      throw .notResumable(segment, at: address)
    }
    let slot = UInt32(truncatingIfNeeded: offset &>> 11)
    guard slots.reserve(slot, segment.length) else { throw .alreadyMapped(address) }
    serial &+= 1
    // SAFETY: the slot is one of the pool's, and the run it heads is this mapper's until released.
    unsafe (slots.slots + Int(slot)).pointee.original = source.rawValue
    unsafe cring_store_relaxed_64(slots.slots + Int(slot), owner | UInt64(serial))
    work.add(.maps, 1)
    return SwiotlbMapping(address: address, byteCount: segment.length, serial: serial)
  }
}

/// What a bounced mapping is undone by: the slot the device was given, and the length that was copied.
///
/// Lives in the driver's private memory. Only ``SwiotlbMapper`` makes one that means anything, and ``DMAMaskMapper``,
/// whose address may be the segment's own.
@frozen
public struct SwiotlbMapping: BitwiseCopyable, Sendable {
  /// The address the device was given: the start of the first bounce slot.
  public let address: IOVA
  /// The mapped length in bytes; 0 where nothing is mapped.
  public let byteCount: UInt32
  /// Tells this mapping from earlier ones of the same mapper in the same slot.
  @usableFromInline let serial: UInt32

  @inlinable
  init(address: IOVA, byteCount: UInt32, serial: UInt32) {
    self.address = address
    self.byteCount = byteCount
    self.serial = serial
  }
}
