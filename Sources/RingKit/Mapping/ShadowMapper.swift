// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing
internal import Synchronization

/// DMA path `shadow`: every segment is copied through a buffer of the queue's own that the device sees all the time.
///
/// Nothing is searched and nothing is locked: free buffers lie on a stack in private memory, which no other queue has a
/// part in. `map` copies a device-readable segment in and nothing else; `unmap` copies back what the device says it
/// wrote and no more, and leaves zeros behind. So whatever a device claims to have written, the caller receives what
/// was written into this mapping, or zeros: never bytes of a segment that had the buffer before. What a device stores
/// behind the length it reports is visible only to itself and to the buffer's next user.
///
/// Bytes the device leaves alone survive in the segment when they lie behind the written length, not before it.
///
/// Owned by one thread, together with its buffers. Not for segments above ``slotByteCount``, nor for more segments in
/// flight than ``slotCount``: both are errors, and nothing waits.
@frozen @safe
public struct ShadowMapper<Counter: WorkCounter>: PairedPath, DrainedMapper, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter
  /// The largest segment, in bytes.
  public let slotByteCount: UInt32
  /// How many buffers there are.
  public let slotCount: UInt32

  @usableFromInline let slots: PrivateTable<ShadowSlot>
  /// Bytes from each buffer's start on that may still be what a device-readable segment brought in.
  @usableFromInline let residues: PrivateTable<UInt32>
  /// Free buffers, as a stack: the one used last is on top.
  ///
  /// An array and not a list through the slots, where each map would wait for the one before it to have read the link.
  @usableFromInline let free: PrivateTable<UInt32>
  @usableFromInline var freeCount: UInt32
  @usableFromInline let hostBase: UInt
  @usableFromInline let busBase: UInt64
  @usableFromInline let stride: UInt64
  @usableFromInline let table: RegionTable
  /// The region of the last segment: payloads lie together, so the next one is there too.
  @usableFromInline var recent = RegionTable.Record(guestBase: 0, byteCount: 0, hostBase: 0)
  // Keep alive what the table, the buffers and their addresses point into.
  private let memory: GuestMemory
  private let region: MemoryRegion
  private let window: AnyObject?

  /// A mapper that copies segments of `memory` through buffers carved out of `buffer`.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory, private or shared; need not contain the buffers.
  ///   - buffer: shared memory for as many buffers as it holds, see ``byteCount(slots:slotByteCount:)``; this queue's
  ///     alone from now on. Zeroed here.
  ///   - slotByteCount: bytes of one buffer, a multiple of 64.
  ///   - counter: counts the work.
  /// - Throws: ``ConfigurationError``.
  public init(
    memory: GuestMemory, buffer: GuestBuffer, slotByteCount: Int = 2048, counter: Counter
  ) throws(ConfigurationError) {
    try self.init(memory: memory, buffer: buffer, slotByteCount: slotByteCount, mapped: nil, counter: counter)
  }

  /// A mapper whose device may see the buffers at an address of its own.
  ///
  /// - Parameters:
  ///   - memory: the driver's memory.
  ///   - buffer: shared memory for the buffers.
  ///   - slotByteCount: bytes of one buffer, a multiple of 64.
  ///   - window: memory that stays mapped for the device as long as `owner` lives, and the address of its first byte
  ///     for the device; `nil` when addresses are guest-physical.
  ///   - counter: counts the work.
  /// - Throws: ``ConfigurationError``.
  package init(
    memory: GuestMemory, buffer: GuestBuffer, slotByteCount: Int,
    mapped window: (buffer: GuestBuffer, address: IOVA, owner: AnyObject)?, counter: Counter
  ) throws(ConfigurationError) {
    try Self.validate(slotByteCount)
    guard buffer.address.rawValue % 64 == 0 else { throw .misaligned(buffer.address, alignment: 64) }
    guard buffer.region.isShared else { throw .notShared(buffer.address) }
    let stride = Self.stride(slotByteCount)
    // The last buffer needs no room behind it.
    let count = min((buffer.byteCount + stride - slotByteCount) / stride, Int(Int32.max))
    guard count > 0, buffer.byteCount >= slotByteCount else {
      throw .memoryTooSmall(available: buffer.byteCount, needed: slotByteCount)
    }
    if let window, window.buffer.address != buffer.address || window.buffer.byteCount < buffer.byteCount {
      throw .notPremapped(buffer.address)
    }
    self.memory = memory
    region = buffer.region
    self.window = window?.owner
    self.slotByteCount = UInt32(slotByteCount)
    self.slotCount = UInt32(count)
    self.stride = UInt64(stride)
    table = memory.driverTable
    hostBase = buffer.host.rawValue
    busBase = window?.address.rawValue ?? buffer.address.rawValue
    // Far apart for each mapper, so that the mapping of another queue is not taken for this one's.
    let number = shadowMapperCount.add(1, ordering: .relaxed).newValue
    slots = PrivateTable(
      count: count, repeating: ShadowSlot(generation: UInt32(truncatingIfNeeded: number) &* 0x9E37_79B1))
    residues = PrivateTable(count: count, repeating: 0)
    free = PrivateTable(count: count, repeating: 0)
    for slot in 0..<count { free[slot] = UInt32(count - 1 - slot) }
    freeCount = UInt32(count)
    work = counter
    unsafe cring_clear(buffer.host.pointer, buffer.byteCount)
  }

  /// Bytes that hold so many buffers.
  public static func byteCount(slots: Int, slotByteCount: Int) -> Int { slots * stride(slotByteCount) }

  private static func validate(_ slotByteCount: Int) throws(ConfigurationError) {
    guard slotByteCount > 0, slotByteCount % 64 == 0, slotByteCount <= 1 << 30 else {
      throw .invalidSlotSize(byteCount: slotByteCount)
    }
  }

  /// From one buffer to the next: an odd number of cache lines.
  ///
  /// With an even one (2 KiB, say) all buffers would begin in a few sets of a cache and push each other out of it.
  static func stride(_ slotByteCount: Int) -> Int { slotByteCount / 64 % 2 == 0 ? slotByteCount + 64 : slotByteCount }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes, which ``unmap(_:_:written:)`` refuses.
  @inlinable
  public static var unmapped: ShadowMapping { ShadowMapping(slot: ShadowSlot.none, generation: 0) }

  /// Takes a buffer, and copies a device-readable segment into it.
  ///
  /// - Complexity: O(length) for a device-readable segment; else O(what the buffer still held).
  /// - Throws: ``DMAError/outOfBounds(_:)`` (empty, or not the guest's memory),
  ///   ``DMAError/tooLarge(byteCount:maximum:)`` or ``DMAError/shadowBuffersInUse(_:)``.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: ShadowMapping) {
    let byteCount = segment.length
    // One comparison for both ends: an empty segment wraps to the largest number.
    guard byteCount &- 1 < slotByteCount else { throw refusal(of: segment) }
    let original: HostAddress
    if let near = recent.translate(segment.address, length: UInt64(byteCount)) {
      original = near
    } else {
      original = try search(segment)
    }
    guard freeCount != 0 else { throw .shadowBuffersInUse(Int(slotCount)) }
    freeCount &-= 1
    // SAFETY: what lies on the stack is below slotCount, and that buffer, now in use here only, holds `byteCount`
    // bytes. The original was found inside one region.
    let slot = unsafe free.base[Int(freeCount)]
    let record = unsafe slots.base + Int(slot)
    let word = unsafe record.pointee.word & ~UInt64(UInt32.max) | UInt64(byteCount)
    unsafe record.pointee.word = word
    let offset = UInt64(slot) &* stride
    let host = unsafe HostAddress(rawValue: hostBase &+ UInt(offset)).pointer
    if direction == .deviceReadable {
      unsafe cring_copy(host, original.pointer, Int(byteCount))
      // Remembered at the buffer: a queue that only sends never has to clear anything.
      if unsafe residues.base[Int(slot)] < byteCount { unsafe residues.base[Int(slot)] = byteCount }
      work.add(.bytesCopiedIn, UInt64(byteCount))
    } else {
      unsafe record.pointee.original = original.rawValue
      if unsafe residues.base[Int(slot)] != 0 { unsafe cleanse(slot, host, byteCount) }
    }
    work.add(.maps, 1)
    let mapping = ShadowMapping(slot: slot, generation: UInt32(truncatingIfNeeded: word >> 32))
    return (IOVA(busBase &+ offset), mapping)
  }

  /// Takes the buffer back, and with it what the device wrote, up to the mapped length.
  ///
  /// - Complexity: O(`written`).
  /// - Throws: ``DMAError/notMapped(_:)`` when the mapping is another mapper's or was undone before; then nothing was
  ///   copied or taken.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: ShadowMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let slot = mapping.slot
    guard slot < slotCount else { throw notMapped(mapping) }
    // SAFETY: slot < slotCount.
    let record = unsafe slots.base + Int(slot)
    let word = unsafe record.pointee.word
    guard ShadowSlot.isLent(word, to: mapping) else { throw notMapped(mapping) }
    unsafe record.pointee.word = (word >> 32 &+ 1) << 32 | ShadowSlot.free
    // A buffer that was lent leaves room on the stack.
    unsafe free.base[Int(freeCount)] = slot
    freeCount &+= 1
    work.add(.unmaps, 1)
    // Marked likely, so that registers are saved around the copy and not on this path.
    if _fastPath(direction == .deviceReadable) { return 0 }
    let count = min(written, UInt32(truncatingIfNeeded: word))
    // SAFETY: the record was made with the mapping, for a segment inside one region of `memory`; both it and the buffer
    // hold `count` bytes.
    unsafe cring_move(
      HostAddress(rawValue: record.pointee.original).pointer,
      HostAddress(rawValue: hostBase &+ UInt(UInt64(slot) &* stride)).pointer, Int(count))
    work.add(.bytesCopiedOut, UInt64(count))
    return count
  }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  /// A look-up among the shared regions.
  public func makeTranslator() -> RegionTranslator<Counter> { RegionTranslator(memory: memory, counter: Counter()) }
}

extension ShadowMapper where Counter == UncountedWork {
  /// A mapper with shadow buffers of its own in shared memory of the guest; counts nothing.
  ///
  /// - Parameters:
  ///   - memory: the guest's memory.
  ///   - slots: how many buffers: the most segments in flight.
  ///   - slotByteCount: bytes of each, a multiple of 64: the longest segment.
  /// - Throws: ``MemoryError``, ``ConfigurationError``.
  public init(_ memory: GuestMemory, slots: Int = 256, slotByteCount: Int = 2048) throws {
    try Self.validate(slotByteCount)
    // More than there can be of memory is refused as such.
    let count = min(max(slots, 0), Int.max / Self.stride(slotByteCount))
    let buffer = try memory.allocate(Self.byteCount(slots: count, slotByteCount: slotByteCount))
    try self.init(memory: memory, buffer: buffer, slotByteCount: slotByteCount, counter: UncountedWork())
  }
}

private let shadowMapperCount = Atomic<UInt64>(0)

extension ShadowMapper {
  /// Whether there is a buffer for a segment of so many bytes.
  @inlinable @inline(__always)
  package func takes(_ byteCount: UInt32) -> Bool { byteCount &- 1 < slotByteCount && freeCount != 0 }

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

/// What a shadow mapping is undone by: the buffer that was lent, and for the how manieth time.
///
/// Lives in the driver's private memory. Only ``ShadowMapper`` makes one that means anything.
@frozen
public struct ShadowMapping: BitwiseCopyable, Sendable {
  /// The number of the buffer; ``ShadowSlot/none`` where nothing is mapped.
  @usableFromInline let slot: UInt32
  /// Tells this mapping from others in the same buffer.
  @usableFromInline let generation: UInt32

  @inlinable
  init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }
}

/// What the driver remembers of one shadow buffer, in private memory: two words, of which one is for writable segments.
///
/// A driver whose ring lies in another core's cache waits for its own stores to leave: each one less is time.
@frozen @usableFromInline
struct ShadowSlot: BitwiseCopyable {
  /// Stands for "no slot" in a mapping.
  @inlinable static var none: UInt32 { .max }
  /// In ``word`` while the buffer is free; lengths need fewer bits.
  @inlinable static var free: UInt64 { 0x8000_0000 }

  /// The mapped length in the low half; in the high one the generation, which every unmap advances.
  @usableFromInline var word: UInt64
  /// Where a device-writable segment is in this process.
  @usableFromInline var original: UInt = 0

  @usableFromInline
  init(generation: UInt32) { word = UInt64(generation) << 32 | ShadowSlot.free }

  /// Whether the buffer is lent to this mapping.
  @inlinable @inline(__always)
  static func isLent(_ word: UInt64, to mapping: ShadowMapping) -> Bool {
    UInt32(truncatingIfNeeded: word >> 32) == mapping.generation && word & ShadowSlot.free == 0
  }
}
