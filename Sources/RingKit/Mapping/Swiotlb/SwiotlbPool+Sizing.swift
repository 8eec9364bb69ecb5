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
