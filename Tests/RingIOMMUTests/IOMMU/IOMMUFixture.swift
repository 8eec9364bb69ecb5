import RingKit
import Testing

@testable import RingIOMMU

/// A guest with two shared regions, one private one, and a domain over them; both ends on the test's thread.
struct IOMMUFixture {
  let regions: [MemoryRegion]
  let memory: GuestMemory
  let domain: IOMMUDomain

  static let base: UInt64 = 0x4000_0000

  init(pages: Int = 1024, configure: (inout IOMMUConfiguration) -> Void = { _ in }) throws {
    let bytes = pages * 4096
    // The second region follows the first in the guest; here they lie wherever they came to lie.
    regions = [
      try MemoryRegion(at: GuestPhysicalAddress(Self.base), byteCount: bytes),
      try MemoryRegion(at: GuestPhysicalAddress(Self.base + UInt64(bytes)), byteCount: bytes),
      try MemoryRegion(at: GuestPhysicalAddress(1 << 40), byteCount: 8192, isShared: false),
    ]
    memory = try GuestMemory(regions)
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    // No timer unless a test asks for one.
    configuration.flushInterval = .max
    configure(&configuration)
    domain = IOMMUDomain(memory: memory, configuration: configuration)
  }

  /// `length` bytes, `offset` bytes into the first region.
  func segment(_ offset: Int, _ length: UInt32) -> MemorySegment {
    MemorySegment(GuestPhysicalAddress(Self.base &+ UInt64(bitPattern: Int64(offset))), length: length)
  }

  /// Where the byte at `offset` of the first region is mapped.
  func host(_ offset: Int) -> HostAddress { unsafe regions[0].hostBase.advanced(by: offset) }
}
