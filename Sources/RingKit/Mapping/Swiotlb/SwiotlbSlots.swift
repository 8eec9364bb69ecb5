// Public, because inlinable code may name only what its callers can see; no CRing type stands in RingKit's interface.
public import CRing

/// The slots of a bounce pool in the form the hot path reads: a copy of pointers and sizes that never change.
///
/// The memory belongs to a ``SwiotlbPool``, which must outlive every copy. Any thread may allocate and release; what
/// two of them could change is guarded by the lock of its area.
///
/// Invariant, outside the locks: `runs[s]` is the number of free slots from `s` to the first used one or the end of
/// the 128-slot segment, whichever comes first; 0 where `s` is in use. So no run ever crosses a segment, and the
/// segment's size is the largest mapping (Linux: `IO_TLB_SEGSIZE`).
@frozen @safe
@usableFromInline
struct SwiotlbSlots: @unchecked Sendable {
  @usableFromInline let runs: UnsafeMutablePointer<UInt8>
  @usableFromInline let slots: UnsafeMutablePointer<SwiotlbSlot>
  @usableFromInline let areas: UnsafeMutablePointer<SwiotlbArea>
  // Null where the pool does not track its high-water mark.
  @usableFromInline let totals: UnsafeMutablePointer<SwiotlbTotals>?
  @usableFromInline let hostBase: UInt
  @usableFromInline let busBase: UInt64
  @usableFromInline let slotCount: UInt32
  @usableFromInline let areaCount: UInt32
  @usableFromInline let areaSlotCount: UInt32

  @usableFromInline
  init(
    runs: UnsafeMutablePointer<UInt8>, slots: UnsafeMutablePointer<SwiotlbSlot>,
    areas: UnsafeMutablePointer<SwiotlbArea>, totals: UnsafeMutablePointer<SwiotlbTotals>?, pool: GuestBuffer,
    slotCount: UInt32, areaCount: UInt32
  ) {
    unsafe self.runs = unsafe runs
    unsafe self.slots = unsafe slots
    unsafe self.areas = unsafe areas
    unsafe self.totals = unsafe totals
    self.hostBase = pool.host.rawValue
    self.busBase = pool.address.rawValue
    self.slotCount = slotCount
    self.areaCount = areaCount
    self.areaSlotCount = slotCount / areaCount
  }

  /// How many slots hold `byteCount` bytes (1 … 256 KiB).
  @inlinable @inline(__always)
  static func slotsNeeded(_ byteCount: UInt32) -> UInt32 { (byteCount &+ 2047) &>> 11 }

  /// Takes a run of slots: from the area `cpu` belongs to, else from the others in turn.
  @inlinable
  func allocate(_ byteCount: UInt32, cpu: UInt32) -> SwiotlbSearch {
    var result = SwiotlbSearch(slot: SwiotlbSearch.none, searched: 0, skipped: 0)
    // The number of areas is a power of two.
    let first = cpu & (areaCount &- 1)
    var area = first
    while true {
      search(area, byteCount, &result)
      if result.slot != SwiotlbSearch.none { return result }
      area = (area &+ 1) & (areaCount &- 1)
      if area == first { return result }
      result.skipped &+= 1
    }
  }

  @inlinable
  func search(_ area: UInt32, _ byteCount: UInt32, _ result: inout SwiotlbSearch) {
    let wanted = SwiotlbSlots.slotsNeeded(byteCount)
    // A page or more starts on a page: an even slot, as the pool does and areas have an even number of slots.
    let stride: UInt32 = byteCount >= 4096 ? 2 : 1
    let base = area &* areaSlotCount
    // SAFETY: area < areaCount; base + cursor < slotCount, as cursor wraps at the area's size.
    let state = unsafe areas + Int(area)
    unsafe lock(state)
    if unsafe wanted <= areaSlotCount &- state.pointee.used {
      var cursor = unsafe state.pointee.index
      var covered: UInt32 = 0
      while covered < areaSlotCount {
        result.searched &+= 1
        let isAligned = cursor & (stride &- 1) == 0
        if unsafe isAligned && UInt32(runs[Int(base &+ cursor)]) >= wanted {
          unsafe take(base &+ cursor, wanted)
          let next = cursor &+ wanted
          unsafe state.pointee.index = next >= areaSlotCount ? 0 : next
          let used = unsafe state.pointee.used &+ wanted
          unsafe state.pointee.used = used
          if unsafe used > state.pointee.highWater { unsafe state.pointee.highWater = used }
          account(adding: UInt64(wanted))
          result.slot = base &+ cursor
          break
        }
        let step = isAligned ? stride : 1
        cursor &+= step
        covered &+= step
        if cursor >= areaSlotCount { cursor = 0 }
      }
    }
    unsafe cring_unlock(state)
  }

  /// Gives back the run of slots that holds `byteCount` bytes from `slot` on.
  @inlinable
  func release(_ slot: UInt32, _ byteCount: UInt32) {
    let count = SwiotlbSlots.slotsNeeded(byteCount)
    // SAFETY: the caller holds the run, so it lies inside one segment of one area.
    let state = unsafe areas + Int(slot / areaSlotCount)
    unsafe lock(state)
    let end = slot &+ count
    // The run that follows is merged with, unless it belongs to the next segment.
    let following = unsafe end & 127 == 0 ? 0 : runs[Int(end)]
    unsafe lengthen(from: slot, to: end, following: following)
    // Spelled out: to the thread sanitizer a compound assignment modifies the structure from its first byte on, the
    // lock.
    let used = unsafe state.pointee.used &- count
    unsafe state.pointee.used = used
    account(adding: 0 &- UInt64(count))
    unsafe cring_unlock(state)
  }

  @unsafe @inlinable @inline(__always)
  func lock(_ state: UnsafeMutablePointer<SwiotlbArea>) {
    // SAFETY: the counter is the area's fifth field, 16 bytes into it; the layout test pins that.
    unsafe cring_lock_counting(state, (UnsafeMutableRawPointer(state) + 16).assumingMemoryBound(to: UInt64.self))
  }

  /// Marks a run as used and shortens the free run that ends where it begins.
  ///
  /// The caller holds the area's lock.
  @unsafe @inlinable @inline(__always)
  func take(_ slot: UInt32, _ count: UInt32) {
    // What the slots before it lose is everything that was free from here on.
    let lost = unsafe runs[Int(slot)]
    unsafe (runs + Int(slot)).update(repeating: 0, count: Int(count))
    unsafe shift(before: slot, by: -Int64(lost))
  }

  /// Makes a used run free and lengthens the free run that ends where it begins.
  ///
  /// The caller holds the area's lock.
  @unsafe @inlinable @inline(__always)
  func lengthen(from slot: UInt32, to end: UInt32, following: UInt8) {
    var i = Int(end)
    var run = following
    while i > Int(slot) {
      i &-= 1
      run &+= 1
      unsafe runs[i] = run
    }
    unsafe shift(before: slot, by: Int64(run))
  }

  /// Adds `delta` to the length of every slot of the free run that ends before `slot`.
  ///
  /// What a walk down from slot to slot would do (and Linux does), eight slots a step: no byte leaves 1 … 128, so one
  /// addition of a word carries nothing from one slot into the next.
  @unsafe @inlinable @inline(__always)
  func shift(before slot: UInt32, by delta: Int64) {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let change = UInt64(bitPattern: delta) &* ones
    var i = Int(slot)
    // SAFETY: stops at the segment's first slot; words are read at multiples of eight of a table aligned to more.
    while i & 127 != 0 {
      if i & 7 == 0 {
        let word = unsafe UnsafeMutableRawPointer(runs + (i &- 8)).assumingMemoryBound(to: UInt64.self)
        let lengths = unsafe word.pointee
        // Without a slot in use among the eight, no byte is 0 and none borrows: 128 - 1 leaves bit 7 clear as well.
        if (lengths &- ones) & 0x8080_8080_8080_8080 == 0 {
          unsafe word.pointee = lengths &+ change
          i &-= 8
          continue
        }
      }
      let length = unsafe runs[i &- 1]
      if length == 0 { return }
      i &-= 1
      unsafe runs[i] = UInt8(truncatingIfNeeded: Int64(length) &+ delta)
    }
  }

  // Under the area's lock, so that the total never counts a slot twice that changes hands.
  @inlinable @inline(__always)
  func account(adding delta: UInt64) {
    guard let totals = unsafe totals else { return }
    // SAFETY: both fields are only ever accessed atomically while mappers run.
    let raw = UnsafeMutableRawPointer(totals)
    let used = unsafe cring_fetch_add_relaxed_64(raw, delta) &+ delta
    unsafe cring_fetch_max_relaxed_64(raw + 8, used)
  }
}

extension SwiotlbSlots {
  /// Takes the run of slots that holds `byteCount` bytes from `slot` on, if all of it is free.
  func reserve(_ slot: UInt32, _ byteCount: UInt32) -> Bool {
    let wanted = SwiotlbSlots.slotsNeeded(byteCount)
    guard slot < slotCount, wanted > 0 else { return false }
    // SAFETY: slot < slotCount, and a free run never leaves its segment, so neither does what is taken of it.
    let state = unsafe areas + Int(slot / areaSlotCount)
    unsafe cring_lock(state)
    defer { unsafe cring_unlock(state) }
    guard unsafe UInt32(runs[Int(slot)]) >= wanted else { return false }
    unsafe take(slot, wanted)
    let used = unsafe state.pointee.used &+ wanted
    unsafe state.pointee.used = used
    if unsafe used > state.pointee.highWater { unsafe state.pointee.highWater = used }
    account(adding: UInt64(wanted))
    return true
  }
}

/// What a search for bounce slots found, and what it took.
@frozen @usableFromInline
struct SwiotlbSearch: BitwiseCopyable {
  /// Stands for "no slot" in ``slot``.
  @inlinable static var none: UInt32 { .max }

  /// The first slot of the run, or ``none`` when every area was full.
  @usableFromInline var slot: UInt32
  /// Slots looked at, the one that fitted included.
  @usableFromInline var searched: UInt32
  /// Areas that had no room although another one was left to try.
  @usableFromInline var skipped: UInt32

  @inlinable
  init(slot: UInt32, searched: UInt32, skipped: UInt32) {
    self.slot = slot
    self.searched = searched
    self.skipped = skipped
  }
}

/// What the driver remembers of one mapping, in private memory, at the mapping's first slot.
///
/// Linux keeps the same next to the free-run length (`struct io_tlb_slot`); here the run lengths are an array of
/// their own, so that a search touches one byte a slot.
@frozen @usableFromInline
struct SwiotlbSlot: BitwiseCopyable {
  /// The mapper's number in the high half and the mapping's in the low one; 0 where no mapping begins.
  ///
  /// Only the mapper whose number it is ever writes it, and others may read it at any time: atomic accesses only.
  @usableFromInline var tag: UInt64
  /// Where the mapped segment is in this process.
  @usableFromInline var original: UInt

  @usableFromInline
  init() {
    tag = 0
    original = 0
  }
}

/// One area of a bounce pool: its lock, and where the next search begins.
///
/// A pair of cache lines of its own. Everything but `lock` is read and written with the lock held.
@frozen @usableFromInline
struct SwiotlbArea: BitwiseCopyable {
  @usableFromInline var lock: UInt32
  /// The slot within the area at which the next search begins.
  @usableFromInline var index: UInt32
  /// Slots of the area that are in use.
  @usableFromInline var used: UInt32
  /// The largest value `used` has had.
  @usableFromInline var highWater: UInt32
  /// Times the lock was held by another thread when it was asked for.
  @usableFromInline var lockWaits: UInt64
  // Fills 128 bytes, so that the adjacent-line prefetcher does not couple the locks of two areas.
  @usableFromInline var padding: InlineArray<13, UInt64>

  @usableFromInline
  init() {
    lock = 0
    index = 0
    used = 0
    highWater = 0
    lockWaits = 0
    padding = InlineArray(repeating: 0)
  }
}

/// Pool-wide figures that mappers of all areas add to, with atomic operations only.
@frozen @usableFromInline
struct SwiotlbTotals: BitwiseCopyable {
  /// Slots in use in all areas; kept only where the pool tracks its high-water mark.
  @usableFromInline var used: UInt64
  /// The largest value `used` has had.
  @usableFromInline var highWater: UInt64

  @usableFromInline
  init() {
    used = 0
    highWater = 0
  }
}
