import RingKit

/// A guest with private memory to bounce and a pool to bounce it through.
struct SwiotlbFixture {
  static let driverBase: UInt64 = 0x1_0000_0000
  static let poolBase: UInt64 = 0x4000_0000

  let memory: GuestMemory
  let driver: GuestBuffer
  let pool: SwiotlbPool

  init(segments: Int, areaCount: Int = 1, tracksHighWater: Bool = false, driverByteCount: Int = 1 << 20) throws {
    let region = try MemoryRegion(
      at: GuestPhysicalAddress(Self.driverBase), byteCount: driverByteCount, isShared: false)
    var allocator = RegionAllocator(region)
    driver = try allocator.allocate(driverByteCount)
    memory = try GuestMemory([region])
    pool = try SwiotlbPool(
      Self.buffer(segments * SwiotlbPool.maximumMappingByteCount), areaCount: areaCount,
      tracksHighWater: tracksHighWater)
  }

  static func buffer(
    _ byteCount: Int, at base: UInt64 = poolBase, _ isShared: Bool = true
  ) throws -> GuestBuffer {
    let region = try MemoryRegion(at: GuestPhysicalAddress(base), byteCount: byteCount, isShared: isShared)
    var allocator = RegionAllocator(region)
    return try allocator.allocate(byteCount, alignment: 1)
  }

  /// The driver's own bytes.
  @unsafe var bytes: UnsafeMutableRawBufferPointer { unsafe driver.bytes }

  /// What the device sees at an address of the pool.
  @unsafe func deviceBytes(_ address: IOVA, _ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let offset = Int(address.rawValue - Self.poolBase)
    return unsafe UnsafeMutableRawBufferPointer(rebasing: pool.buffer.bytes[offset..<offset + byteCount])
  }

  /// The driver's own bytes in a range.
  @unsafe func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: driver.bytes[range])
  }

  /// The pool's bytes in a range.
  @unsafe func poolBytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: pool.buffer.bytes[range])
  }

  func slot(of address: IOVA) -> Int { Int(address.rawValue - Self.poolBase) / SwiotlbPool.slotByteCount }

  func mapper(cpu: Int = 0) -> SwiotlbMapper<CountedWork> {
    SwiotlbMapper(memory: memory, pool: pool, cpu: cpu, counter: CountedWork())
  }
}
