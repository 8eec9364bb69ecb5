import Glibc
public import RingKit

/// A guest's memory for one fuzzer, mapped once: ring, payload, indirect tables and bounce pool, each in a region of
/// its own between pages that no access may touch.
public struct FuzzGuest: @unchecked Sendable {
  /// Descriptors at most.
  public static let maximumSize = 16
  /// Bytes of each of the caller's buffers; as many sentinels follow each.
  public static let bufferByteCount = 64
  /// Buffers, one for each segment that can be in flight.
  public static let bufferCount = 256
  /// What stands between buffers, and may never be seen in memory that the device shares.
  public static let sentinel: UInt8 = 0xa5
  /// What the driver's device-readable buffers hold.
  public static let request: UInt8 = 0x11
  /// What an honest device writes.
  public static let reply: UInt8 = 0x5a

  /// All of it, as driver and device know it.
  public let memory: GuestMemory
  /// The caller's buffers, and sentinels behind each.
  public let payload: GuestBuffer
  /// Where the driver keeps indirect tables.
  public let tables: GuestBuffer
  /// Where bounce slots lie.
  public let pool: GuestBuffer
  private let ringPage: GuestBuffer

  /// Maps it; payload and tables are private where everything is bounced.
  public init(isBouncing: Bool) {
    let isShared = !isBouncing
    let ring = Self.region(at: 0x10_0000, byteCount: 4096)
    let buffers = Self.region(
      at: 0x1000_0000, byteCount: Self.bufferCount * 2 * Self.bufferByteCount, isShared: isShared)
    let tables = Self.region(at: 0x2000_0000, byteCount: 4096, isShared: isShared)
    let pool = Self.region(at: 0x8000_0000, byteCount: 262_144)
    memory = must { try GuestMemory([ring, buffers, tables, pool]) }
    ringPage = Self.all(of: ring)
    payload = Self.all(of: buffers)
    self.tables = Self.all(of: tables)
    self.pool = Self.all(of: pool)
  }

  /// Memory for a ring that ends at an inaccessible page.
  public func ring(byteCount: Int) -> GuestBuffer {
    ringPage.slice(at: ringPage.byteCount - (byteCount + 15) & ~15, byteCount: byteCount)
  }

  /// Where buffer `n` starts in the payload.
  public func offset(_ n: Int) -> Int { n * 2 * Self.bufferByteCount }

  /// Sentinels everywhere, requests in the buffers, nothing in the pool.
  public func fill() {
    memset(payload.host.pointer, Int32(Self.sentinel), payload.byteCount)
    for n in 0..<Self.bufferCount {
      memset(payload.host.pointer + offset(n), Int32(Self.request), Self.bufferByteCount)
    }
    memset(pool.host.pointer, 0, pool.byteCount)
    memset(tables.host.pointer, 0, tables.byteCount)
  }

  /// Nothing was written between the buffers.
  public func checkSentinels() {
    for n in 0..<Self.bufferCount {
      let gap = payload.host.pointer + offset(n) + Self.bufferByteCount
      for i in 0..<Self.bufferByteCount / 8 {
        check(
          gap.load(fromByteOffset: 8 * i, as: UInt64.self) == 0xa5a5_a5a5_a5a5_a5a5, "a byte beside buffer \(n) changed"
        )
      }
    }
  }

  /// No sentinel came into the pool with a neighbour's bytes.
  public func checkPool() {
    check(memchr(pool.host.pointer, Int32(Self.sentinel), pool.byteCount) == nil, "a private byte in the bounce pool")
  }

  /// Whether a segment lies in memory that a device may see.
  public func isShared(_ host: UInt, _ byteCount: Int) -> Bool {
    memory.regions.contains {
      $0.isShared && host >= $0.hostBase.rawValue
        && host - $0.hostBase.rawValue + UInt(byteCount) <= UInt($0.byteCount)
    }
  }

  private static func all(of region: MemoryRegion) -> GuestBuffer {
    must {
      var allocator = RegionAllocator(region)
      return try allocator.allocate(region.byteCount, alignment: 4096)
    }
  }

  private static func region(at base: UInt64, byteCount: Int, isShared: Bool = true) -> MemoryRegion {
    let region = must { try MemoryRegion(at: GuestPhysicalAddress(base), byteCount: byteCount, isShared: isShared) }
    // 0x100000: MAP_FIXED_NOREPLACE. Where something else of ours lies already there is a guard too, or a region's own.
    for at in [Int(region.hostBase.rawValue) - 4096, Int(region.hostBase.rawValue) + region.byteCount] {
      _ = mmap(UnsafeMutableRawPointer(bitPattern: at), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0)
    }
    return region
  }
}
