internal import Glibc
package import RingKit

/// A guest's memory: ring, tables, payload and bounce pool in one file that can be passed to another process.
package struct MovingMemory: Sendable {
  let memory: GuestMemory
  let ring: GuestBuffer
  let tables: GuestBuffer
  let payload: GuestBuffer
  let bounce: GuestBuffer
  /// The file.
  package let region: MemoryRegion

  /// Bytes a plan needs.
  package static func byteCount(_ plan: MovingPlan) -> Int { pool(plan).offset + pool(plan).count }

  private static func ringBytes(_ plan: MovingPlan) -> Int {
    plan.isPacked ? PackedRing.byteCount(size: plan.size) : SplitRing.byteCount(size: plan.size)
  }

  private static func pool(_ plan: MovingPlan) -> (offset: Int, count: Int) {
    let below = ringBytes(plan) + 64 + plan.size * 4 * 16 + 64 + plan.size * MovingPlan.slotBytes
    let slots = 5 * plan.size
    return ((below + 4095) / 4096 * 4096, max((slots * 2048 + 262_143) / 262_144, 1) * 262_144)
  }

  /// New memory.
  package init(_ plan: MovingPlan) throws {
    try self.init(plan, MemoryRegion(at: GuestPhysicalAddress(1 << 24), byteCount: Self.byteCount(plan)))
  }

  /// Memory that came from another process.
  package init(_ plan: MovingPlan, attaching fileDescriptor: Int32) throws {
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
    payload = try room.allocate(plan.size * MovingPlan.slotBytes)
    bounce = try room.allocate(Self.pool(plan).count, alignment: 4096)
  }

  func segment(_ slot: Int, _ index: Int) -> MemorySegment {
    payload.segment(at: slot * MovingPlan.slotBytes + index * 32, length: MovingPlan.segmentBytes)
  }

  func bytes(_ slot: Int, _ index: Int) -> UnsafeMutableRawPointer {
    unsafe payload.host.pointer + slot * MovingPlan.slotBytes + index * 32
  }
}

/// The byte at a position of a buffer's request, or of its reply.
func movingByte(_ number: UInt64, _ position: Int, reply: Bool) -> UInt8 {
  UInt8(truncatingIfNeeded: (number &+ UInt64(position)) &* 0x9e37_79b9_7f4a_7c15 >> (reply ? 40 : 48))
}

/// A message in memory that two processes share: its length, then its bytes.
package struct MovingMail {
  /// The memory.
  package let region: MemoryRegion

  private static let byteCount = 1 << 20

  /// New memory.
  package init() throws { region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: Self.byteCount) }

  /// Memory of another process.
  package init(attaching fileDescriptor: Int32) throws {
    region = try MemoryRegion(attaching: fileDescriptor, byteCount: Self.byteCount, at: GuestPhysicalAddress(0))
  }

  /// Replaces the message.
  package func write(_ bytes: [UInt8]) {
    precondition(bytes.count <= Self.byteCount - 8, "a message of \(bytes.count) bytes is too long")
    let base = unsafe region.hostBase.pointer
    unsafe base.storeBytes(of: bytes.count, as: Int.self)
    for (i, byte) in bytes.enumerated() { unsafe base.storeBytes(of: byte, toByteOffset: 8 + i, as: UInt8.self) }
  }

  /// The message.
  package func read() -> [UInt8] {
    let base = unsafe region.hostBase.pointer
    let count = unsafe min(base.load(as: Int.self), Self.byteCount - 8)
    return (0..<max(count, 0)).map { unsafe base.load(fromByteOffset: 8 + $0, as: UInt8.self) }
  }
}
