internal import Glibc
package import RingKit

/// A buffer between two pages of a pattern that may not be written to.
package struct GuardedArea: Sendable {
  package static let guardByteCount = 4096
  private static let pattern: UInt8 = 0x6b

  /// The bytes in the middle.
  package let buffer: GuestBuffer
  private let whole: GuestBuffer

  /// Carves the area and fills the guards.
  package init(_ byteCount: Int, from allocator: inout RegionAllocator) throws {
    let rounded = (byteCount + 4095) & ~4095
    whole = try allocator.allocate(rounded + 2 * Self.guardByteCount, alignment: 4096)
    buffer = whole.slice(at: Self.guardByteCount, byteCount: rounded)
    for guardPage in [whole.slice(at: 0, byteCount: Self.guardByteCount), behind] {
      unsafe guardPage.bytes.initializeMemory(as: UInt8.self, repeating: Self.pattern)
    }
  }

  private var behind: GuestBuffer {
    whole.slice(at: whole.byteCount - Self.guardByteCount, byteCount: Self.guardByteCount)
  }

  /// Whether the guards are as they were.
  package var isIntact: Bool {
    [whole.slice(at: 0, byteCount: Self.guardByteCount), behind].allSatisfy { page in
      // The first byte is the pattern, and each is like the next: a byte at a time takes seconds in a test's build.
      let start = unsafe UnsafeRawPointer(page.host.pointer)
      return unsafe page.bytes.first == Self.pattern && memcmp(start, start + 1, Self.guardByteCount - 1) == 0
    }
  }
}
