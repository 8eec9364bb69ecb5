internal import Glibc
public import RingKit

/// A guest's memory: ring, tables, payload and bounce pool in one piece that can be passed to another process.
public struct MovingMemory: Sendable {
  let memory: GuestMemory
  let ring: GuestBuffer
  let tables: GuestBuffer
  let payload: GuestBuffer
  let bounce: GuestBuffer
  /// The piece.
  public let region: MemoryRegion

  /// Bytes a plan needs.
  public static func byteCount(_ plan: MovingPlan) -> Int { pool(plan).offset + pool(plan).count }

  private static func ringBytes(_ plan: MovingPlan) -> Int {
    plan.isPacked ? PackedRing.byteCount(size: plan.size) : SplitRing.byteCount(size: plan.size)
  }

  private static func pool(_ plan: MovingPlan) -> (offset: Int, count: Int) {
    let below = ringBytes(plan) + 64 + plan.size * 4 * 16 + 64 + plan.size * MovingPlan.placeBytes
    let slots = 5 * plan.size
    return ((below + 4095) / 4096 * 4096, max((slots * 2048 + 262_143) / 262_144, 1) * 262_144)
  }

  /// New memory.
  public init(_ plan: MovingPlan) throws {
    try self.init(plan, MemoryRegion(at: GuestPhysicalAddress(1 << 24), byteCount: Self.byteCount(plan)))
  }

  /// Memory that came from another process.
  public init(_ plan: MovingPlan, attaching fileDescriptor: Int32) throws {
    try self.init(
      plan,
      MemoryRegion(
        attaching: fileDescriptor, byteCount: Self.byteCount(plan), at: GuestPhysicalAddress(1 << 24)))
  }

  private init(_ plan: MovingPlan, _ region: MemoryRegion) throws {
    self.region = region
    memory = try GuestMemory([region])
    var room = RegionAllocator(region)
    ring = try room.allocate(Self.ringBytes(plan))
    tables = try room.allocate(plan.size * 4 * 16)
    payload = try room.allocate(plan.size * MovingPlan.placeBytes)
    bounce = try room.allocate(Self.pool(plan).count, alignment: 4096)
  }

  func segment(_ place: Int, _ index: Int) -> MemorySegment {
    payload.segment(at: place * MovingPlan.placeBytes + index * 32, length: MovingPlan.segmentBytes)
  }

  func bytes(_ place: Int, _ index: Int) -> UnsafeMutableRawPointer {
    unsafe payload.host.pointer + place * MovingPlan.placeBytes + index * 32
  }
}

/// The byte at a position of a buffer's request, or of its reply.
func movingByte(_ number: UInt64, _ position: Int, reply: Bool) -> UInt8 {
  UInt8(truncatingIfNeeded: (number &+ UInt64(position)) &* 0x9e37_79b9_7f4a_7c15 >> (reply ? 40 : 48))
}
