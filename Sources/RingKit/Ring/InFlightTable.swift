/// A driver's private memory of what it submitted: slots, tokens, mappings.
///
/// The ring is never asked for any of it.
///
/// Both layouts use it: a slot is a descriptor-table index of a split ring and a buffer id of a packed one. Free slots
/// go round in a queue rather than on a stack: when buffers come back in order the slots come round in order too, so a
/// split ring's available ring keeps its contents and IN_ORDER's sequence (S5) needs nothing of its own. As long as
/// they do, slot numbers can be counted instead of looked up: `InFlightTable+Retire.swift`.
@frozen
@usableFromInline
struct InFlightTable<Mapping: BitwiseCopyable>: ~Copyable {
  @usableFromInline let size: UInt16
  @usableFromInline let entries: PrivateTable<InFlightEntry>
  /// Next slot of a chain, with ``writable`` when this slot's segment is device-writable.
  @usableFromInline let links: PrivateTable<UInt16>
  @usableFromInline let mappings: PrivateTable<Mapping>
  @usableFromInline let free: PrivateTable<UInt16>
  /// Mask of the free-running indices: the queue of free slots has a power of two of entries, so no index checks for
  /// the wrap.
  @usableFromInline let freeMask: UInt16
  @usableFromInline var freeHead: UInt16 = 0
  @usableFromInline var freeTail: UInt16
  /// Every entry of the queue of free slots holds its own index, modulo the size: slots are counted, not looked up.
  @usableFromInline var isSequential: Bool
  /// Number of entries before ``freeTail`` whose slots were freed without a mark in ``entries``.
  @usableFromInline var unmarked: UInt16 = 0
  /// Buffers in flight that are not one descriptor with one mapping.
  @usableFromInline var compoundInFlight: UInt16 = 0
  /// ``returned`` as the sequence ended.
  @usableFromInline var sequenceEnd = RingIndex(0)
  /// Buffers added, published and returned so far, modulo 65,536.
  @usableFromInline var added = RingIndex(0)
  @usableFromInline var published = RingIndex(0)
  @usableFromInline var returned = RingIndex(0)
  /// The token of the buffer whose unmap failed: it could not be returned, so ``RingDriver/abandon(_:)`` reports it.
  @usableFromInline var unreturned: UInt64?

  /// Indirect tables: entries per slot, their mappings, and per slot how many segments (readable high, writable low).
  @usableFromInline let indirectCapacity: Int
  @usableFromInline let indirectMappings: PrivateTable<Mapping>
  @usableFromInline let indirectUse: PrivateTable<UInt32>

  /// Marks a slot in ``links`` whose segment is device-writable; slots themselves need 15 bits.
  @inlinable
  var writable: UInt16 { 0x8000 }

  @usableFromInline
  init(size: Int, unmapped: Mapping, indirectCapacity: Int) {
    self.size = UInt16(size)
    var capacity = 1
    while capacity < size { capacity *= 2 }
    freeMask = UInt16(capacity - 1)
    isSequential = capacity == size
    freeTail = UInt16(size)
    self.indirectCapacity = indirectCapacity
    entries = PrivateTable(count: size, repeating: .idle)
    links = PrivateTable(count: size, repeating: 0)
    mappings = PrivateTable(count: size, repeating: unmapped)
    free = PrivateTable(count: capacity, repeating: 0)
    indirectMappings = PrivateTable(count: size * indirectCapacity, repeating: unmapped)
    indirectUse = PrivateTable(count: indirectCapacity > 0 ? size : 0, repeating: 0)
    for slot in 0..<UInt16(size) { free[slot] = slot }
  }

  @inlinable @inline(__always)
  var inFlight: UInt16 { added.distance(from: returned) }

  @inlinable @inline(__always)
  var unpublished: UInt16 { added.distance(from: published) }

  @inlinable @inline(__always)
  var freeCount: UInt16 { freeTail &- freeHead }

  /// The slot that ``takeSlot()`` takes next; the caller has seen that there is one.
  @inlinable @inline(__always)
  var nextSlot: UInt16 { free[freeHead & freeMask] }

  /// The next free slot; the caller has seen that there is one.
  @inlinable @inline(__always)
  mutating func takeSlot() -> UInt16 {
    let slot = nextSlot
    freeHead &+= 1
    return slot
  }

  /// Takes the next `count` slots, whose buffers of one descriptor the caller entered.
  @inlinable @inline(__always)
  mutating func take(_ count: UInt16) {
    freeHead &+= count
    added = added.advanced(by: count)
  }

  @inlinable @inline(__always)
  mutating func giveBack(_ slot: UInt16) {
    free[freeTail & freeMask] = slot
    if slot != freeTail & freeMask && isSequential { endSequence() }
    freeTail &+= 1
  }

  /// Gives back the slot of a buffer of one descriptor without a table, which is to be unmapped.
  @inlinable @inline(__always)
  mutating func giveBackSingle(_ head: UInt16) -> Mapping {
    entries.cells.markIdle(head)
    returned = returned.advanced(by: 1)
    let mapping = mappings[head]
    giveBack(head)
    return mapping
  }

  /// Begins to take back a buffer of another shape; returns what `indirectUse` had of it, 0 for a chain of descriptors.
  @inlinable @inline(__always)
  mutating func beginReturn(ofChain head: UInt16) -> UInt32 {
    compoundInFlight &-= 1
    entries.cells.markIdle(head)
    returned = returned.advanced(by: 1)
    let use = indirectCapacity > 0 ? indirectUse[head] : 0
    if use != 0 { indirectUse[head] = 0 }
    return use
  }

  /// Undoes ``takeSlot()`` for the slots taken last, when a chain could not be mapped to its end.
  @inlinable
  mutating func untake(_ count: UInt16) {
    freeHead &-= count
  }

  /// Enters a buffer whose descriptors are written.
  @inlinable @inline(__always)
  mutating func enter(_ head: UInt16, token: UInt64, capacity: UInt32, descriptorCount: UInt16) {
    entries[head] = InFlightEntry(
      token: token, capacity: capacity, descriptorCount: descriptorCount, position: added.rawValue)
    added = added.advanced(by: 1)
  }

  /// Enters a buffer that was added as a chain, which may be one of a single descriptor.
  @inlinable @inline(__always)
  mutating func enterChain(_ head: UInt16, token: UInt64, capacity: UInt32, descriptorCount: UInt16) {
    if descriptorCount != 1 { compoundInFlight &+= 1 }
    enter(head, token: token, capacity: capacity, descriptorCount: descriptorCount)
  }

  /// Enters a buffer whose descriptor leads to a table.
  @inlinable @inline(__always)
  mutating func enterTable(_ head: UInt16, token: UInt64, capacity: UInt32) {
    compoundInFlight &+= 1
    enter(head, token: token, capacity: capacity, descriptorCount: 1)
  }

  /// Whether a slot heads a buffer that the device can know of.
  @inlinable @inline(__always)
  func isVisible(_ entry: InFlightEntry, _ slot: UInt16) -> Bool {
    if entry.descriptorCount == 0 { return false }
    if unpublished == 0 || RingIndex(entry.position).distance(from: published) >= unpublished { return true }
    return !wasTakenLast(slot)
  }

  /// Whether the slot is among those taken since the last publish.
  ///
  /// Exact where positions, which wrap, are a hint.
  @inlinable @inline(never)
  func wasTakenLast(_ slot: UInt16) -> Bool {
    var remaining = unpublished
    var at = freeHead
    var steps = size &- freeCount
    while remaining > 0, steps > 0 {
      at &-= 1
      steps &-= 1
      let candidate = free[at & freeMask]
      if candidate == slot { return true }
      if entries[candidate].descriptorCount != 0 { remaining &-= 1 }
    }
    return false
  }

  /// Forgets everything: all slots free, all counts zero.
  @usableFromInline
  mutating func reset() {
    for slot in 0..<size {
      entries[slot] = .idle
      free[slot] = slot
    }
    freeHead = 0
    freeTail = size
    isSequential = size & (size &- 1) == 0
    unmarked = 0
    compoundInFlight = 0
    added = RingIndex(0)
    published = RingIndex(0)
    returned = RingIndex(0)
    unreturned = nil
  }
}

/// What a driver remembers of one buffer in flight, by the slot of its first descriptor.
///
/// Two words, so that an entry is two stores and four of them are a line.
@frozen
@usableFromInline
struct InFlightEntry: BitwiseCopyable {
  /// The caller's token.
  @usableFromInline var token: UInt64
  // Capacity in the low half, then descriptor count, then position.
  @usableFromInline var word: UInt64

  @inlinable @inline(__always)
  init(token: UInt64, capacity: UInt32, descriptorCount: UInt16, position: UInt16) {
    self.token = token
    word = UInt64(capacity) | UInt64(descriptorCount) << 32 | UInt64(position) << 48
  }

  /// An entry of one descriptor, the `index`th of a run that began at `position`: one addition from entry to entry.
  @inlinable @inline(__always)
  init(token: UInt64, capacity: UInt32, run position: UInt16, index: Int) {
    self.token = token
    let first = UInt64(1) << 32 | UInt64(position) << 48
    word = first &+ UInt64(truncatingIfNeeded: index) &<< 48 &+ UInt64(capacity)
  }

  /// Bytes the device may write; a completion that claims more is a lie (S28, P21).
  @inlinable @inline(__always)
  var capacity: UInt32 { UInt32(truncatingIfNeeded: word) }

  /// Descriptors of the ring it occupies; 0 when the slot heads no buffer in flight.
  @inlinable @inline(__always)
  var descriptorCount: UInt16 { UInt16(truncatingIfNeeded: word >> 32) }

  /// Its number in the sequence of buffers added, modulo 65,536.
  @inlinable @inline(__always)
  var position: UInt16 { UInt16(truncatingIfNeeded: word >> 48) }

  @inlinable
  static var idle: InFlightEntry { InFlightEntry(token: 0, capacity: 0, descriptorCount: 0, position: 0) }
}

extension PrivateCells<InFlightEntry> {
  /// The slot heads no buffer any more; one word is stored, not the whole entry.
  @inlinable @inline(__always)
  func markIdle(_ slot: UInt16) {
    assert(Int(slot) < count)
    // SAFETY: slot < count; the caller has checked the id against the queue's size, or took the slot out of its own
    // tables.
    unsafe base[Int(slot)].word = 0
  }
}

/// Bytes a device may write into a chain, saturating at 2^32 - 1: what a used length is held against.
///
/// - Throws: ``QueueError/chainTooLarge(byteCount:)`` when the chain as a whole exceeds 2^32 bytes (S4).
@inlinable
func chainCapacity(
  _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>
) throws(QueueError) -> UInt32 {
  var total: UInt64 = 0
  for i in readable.indices { total &+= UInt64(readable[i].length) }
  var capacity: UInt64 = 0
  for i in writable.indices { capacity &+= UInt64(writable[i].length) }
  total &+= capacity
  if total > 1 << 32 { throw .chainTooLarge(byteCount: total) }
  return UInt32(clamping: capacity)
}
