internal import CRing

/// A pool of bounce slots in memory the device can see: what a secure VM's buffers are copied through.
///
/// The bytes belong to the caller's ``GuestBuffer``; which slots are free, and where a slot's contents belong, is kept
/// in private memory the device cannot reach. Shared by any number of ``SwiotlbMapper``s on any threads: each area of
/// the pool has a lock of its own. Slots are 2 KiB, never shared by two mappings, and not cleared between them: a
/// device can read what an earlier mapping left behind the end of a shorter one (Linux kernel/dma/swiotlb.c does the
/// same).
///
/// Not for payloads above 256 KiB, nor a protection against a device that writes into a slot while it is copied back.
@safe
public final class SwiotlbPool: @unchecked Sendable {
  /// Bytes of one slot (Linux: `IO_TLB_SIZE`).
  public static let slotByteCount = 2048
  /// Slots of one segment, which no mapping crosses (Linux: `IO_TLB_SEGSIZE`).
  public static let segmentSlotCount = 128
  /// The largest mapping in bytes: one segment, 256 KiB.
  public static let maximumMappingByteCount = slotByteCount * segmentSlotCount

  /// The memory the slots lie in.
  public let buffer: GuestBuffer
  /// Slots in the pool.
  public let slotCount: Int
  /// Areas the pool is divided into: a power of two.
  public let areaCount: Int
  /// Whether ``highWaterSlots`` is exact with more than one area.
  public let tracksHighWater: Bool

  @usableFromInline let slots: SwiotlbSlots
  private let runTable: PrivateTable<UInt8>
  private let slotTable: PrivateTable<SwiotlbSlot>
  private let areaTable: PrivateTable<SwiotlbArea>
  private let totalsTable: PrivateTable<SwiotlbTotals>
  private let mapperTable: PrivateTable<UInt64>

  /// Makes a pool of the whole of `buffer`.
  ///
  /// - Parameters:
  ///   - buffer: shared memory that starts on a 4 KiB page and is a whole number of 256 KiB segments; the caller
  ///     leaves it alone from now on. See ``recommendedByteCount(confidentialMemoryByteCount:areaCount:)``.
  ///   - areaCount: areas wanted, as a rule one per CPU; rounded up to a power of two, and then down to the number of
  ///     segments at most. See ``areaCount`` for what was made.
  ///   - tracksHighWater: keeps a pool-wide count of used slots, which every map and unmap then updates in one shared
  ///     cache line (Linux: only with debugfs).
  /// - Throws: ``ConfigurationError``.
  public init(
    _ buffer: GuestBuffer, areaCount: Int = 1, tracksHighWater: Bool = false
  ) throws(ConfigurationError) {
    guard buffer.byteCount > 0, buffer.byteCount % Self.maximumMappingByteCount == 0 else {
      throw .notWholeSegments(byteCount: buffer.byteCount)
    }
    guard buffer.address.rawValue % 4096 == 0 else { throw .misaligned(buffer.address, alignment: 4096) }
    guard buffer.region.isShared else { throw .notShared(buffer.address) }
    guard areaCount >= 1 else { throw .invalidAreaCount(areaCount) }
    let slotCount = buffer.byteCount / Self.slotByteCount
    guard slotCount <= 1 << 31 else { throw .poolTooLarge(byteCount: buffer.byteCount) }
    let segments = slotCount / Self.segmentSlotCount
    let areas = Self.areas(wanted: areaCount, segments: segments)
    guard segments % areas == 0 else { throw .unevenAreas(segments: segments, areas: areas) }

    self.buffer = buffer
    self.slotCount = slotCount
    self.areaCount = areas
    self.tracksHighWater = tracksHighWater
    runTable = PrivateTable(count: slotCount, repeating: 0)
    slotTable = PrivateTable(count: slotCount, repeating: SwiotlbSlot())
    areaTable = PrivateTable(count: areas, repeating: SwiotlbArea())
    totalsTable = PrivateTable(count: 1, repeating: SwiotlbTotals())
    mapperTable = PrivateTable(count: 1, repeating: 0)
    for slot in 0..<slotCount {
      runTable[slot] = UInt8(Self.segmentSlotCount - slot % Self.segmentSlotCount)
    }
    slots = unsafe SwiotlbSlots(
      runs: runTable.base, slots: slotTable.base, areas: areaTable.base,
      totals: tracksHighWater ? totalsTable.base : nil, pool: buffer, slotCount: UInt32(slotCount),
      areaCount: UInt32(areas))
  }

  /// Slots in use now.
  ///
  /// Any thread may ask; takes each area's lock in turn, so it is exact while no other thread maps or unmaps.
  public var usedSlots: Int { sum { $0.used } }

  /// The most slots that were in use at one time.
  ///
  /// Any thread may ask. Exact with one area, and with several where ``tracksHighWater`` is set. Otherwise the sum of
  /// what each area had in use at most, which is never below the truth but may add up moments that lay apart.
  public var highWaterSlots: Int {
    // SAFETY: the word is only ever accessed atomically, and lives as long as the table.
    if tracksHighWater { return Int(unsafe cring_load_relaxed_64(UnsafeRawPointer(totalsTable.base) + 8)) }
    return sum { $0.highWater }
  }

  /// Times an area's lock was held by another thread when a map or an unmap asked for it.
  ///
  /// Any thread may ask.
  public var lockWaits: UInt64 {
    var total: UInt64 = 0
    for area in 0..<areaCount {
      // SAFETY: area < areaCount, and the table lives as long as the pool.
      let state = unsafe areaTable.base + area
      unsafe cring_lock(state)
      total &+= unsafe state.pointee.lockWaits
      unsafe cring_unlock(state)
    }
    return total
  }

  /// Whether an address lies in the pool.
  public func contains(_ address: IOVA) -> Bool {
    address.rawValue &- buffer.address.rawValue < UInt64(buffer.byteCount)
  }

  /// A number for a new mapper: never 0, and its own among the first 2^32 - 1.
  func nextMapperNumber() -> UInt32 {
    // SAFETY: the word is only ever accessed atomically, and lives as long as the table.
    let taken = unsafe cring_fetch_add_relaxed_64(mapperTable.base, 1)
    return UInt32(truncatingIfNeeded: taken % UInt64(UInt32.max)) + 1
  }

  /// The length of the free run from a slot on, for tests of the invariant.
  func freeRun(at slot: Int) -> Int { Int(runTable[slot]) }

  private func sum(_ field: (SwiotlbArea) -> UInt32) -> Int {
    var total = 0
    for area in 0..<areaCount {
      // SAFETY: area < areaCount, and the table lives as long as the pool.
      let state = unsafe areaTable.base + area
      unsafe cring_lock(state)
      total += Int(field(unsafe state.pointee))
      unsafe cring_unlock(state)
    }
    return total
  }
}

extension SwiotlbPool {
  /// Finds and takes slots without a mapping and its copy: what an area's lock is held for, for a benchmark of that
  /// alone.
  ///
  /// - Returns: the first slot, or `nil` when there is no room.
  package func takeSlots(_ byteCount: UInt32, cpu: UInt32) -> UInt32? {
    let found = slots.allocate(byteCount, cpu: cpu)
    return found.slot == SwiotlbSearch.none ? nil : found.slot
  }

  /// Gives back what ``takeSlots(_:cpu:)`` took for as many bytes.
  package func giveSlots(_ slot: UInt32, _ byteCount: UInt32) { slots.release(slot, byteCount) }
}

extension SwiotlbPool {
  /// The size of pool Linux would reserve: a whole number of 256 KiB segments that areas divide evenly.
  ///
  /// 64 MiB (`IO_TLB_DEFAULT_SIZE`). A confidential guest, all of whose traffic is bounced, gets 6 % of its memory, at
  /// least 64 MiB and at most 1 GiB (arch/x86/mm/mem_encrypt.c). With more than one area the number of slots is
  /// rounded up to a power of two, at least one segment each.
  ///
  /// - Parameters:
  ///   - confidentialMemoryByteCount: the memory of a confidential guest, or `nil` for any other.
  ///   - areaCount: areas the pool will be divided into.
  /// - Returns: bytes to reserve for the pool.
  public static func recommendedByteCount(
    confidentialMemoryByteCount: UInt64? = nil, areaCount: Int = 1
  ) -> Int {
    let least: UInt64 = 64 << 20
    let most: UInt64 = 1 << 30
    // Divided first: six times the memory of a large guest could overflow, and a hundredth of it is precise enough.
    let share = confidentialMemoryByteCount.map { $0 / 100 * 6 + $0 % 100 * 6 / 100 } ?? least
    let segmentByteCount = UInt64(maximumMappingByteCount)
    var segments = Int((min(max(share, least), most) + segmentByteCount - 1) / segmentByteCount)
    if areaCount > 1 { segments = powerOfTwo(atLeast: max(segments, powerOfTwo(atLeast: areaCount))) }
    return segments * maximumMappingByteCount
  }

  /// The areas a pool of so many segments gets when `wanted` (at least 1) are asked for.
  static func areas(wanted: Int, segments: Int) -> Int {
    var areas = powerOfTwo(atLeast: min(wanted, segments))
    while areas > segments { areas /= 2 }
    return areas
  }

  private static func powerOfTwo(atLeast count: Int) -> Int {
    count <= 1 ? 1 : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
  }
}
