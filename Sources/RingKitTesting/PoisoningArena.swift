public import RingKit

/// The bounce memory of a ``PoisoningMapper``, and the account of what was done with it.
///
/// Outlives the mapper, so that a test can look at the account when a queue has swallowed the mapper. Owned by the
/// mapper's thread while that runs; another thread may read it once they are synchronised (joined, say).
public final class PoisoningArena: @unchecked Sendable {
  /// What memory holds that no mapping owns.
  public static let poison: UInt8 = 0xDB

  /// The memory that is handed out, in parts of equal size.
  public let buffer: GuestBuffer
  /// The largest mapping, in bytes: the size of a part.
  public let partByteCount: Int
  /// Mappings not undone.
  public internal(set) var outstanding = 0
  /// Attempts to undo a mapping that was undone before.
  public internal(set) var doubleUnmaps = 0
  /// Parts in which someone wrote behind the mapped length.
  public internal(set) var overruns = 0
  /// Parts in which someone wrote after they were unmapped, or before they were mapped.
  public internal(set) var writesWhileUnmapped = 0

  // Free parts, the one that has been free for longest first.
  var free: [Int]
  // The serial number of the mapping in each part; 0 for none.
  var serials: [UInt64]
  // Where the mapped segment of each part is.
  var originals: [HostAddress]
  var nextSerial: UInt64 = 1

  /// Divides `buffer`, which a device must be able to see, into parts and poisons them.
  public init(_ buffer: GuestBuffer, partByteCount: Int = 8192) {
    precondition(partByteCount > 0, "a part must hold at least a byte")
    precondition(buffer.byteCount >= partByteCount, "the arena does not hold a single part")
    let parts = buffer.byteCount / partByteCount
    self.buffer = buffer
    self.partByteCount = partByteCount
    free = Array(0..<parts)
    serials = [UInt64](repeating: 0, count: parts)
    originals = unsafe [HostAddress](repeating: HostAddress(rawValue: 0), count: parts)
    poison(0..<buffer.byteCount)
  }

  /// Makes an arena in shared memory of its own at `address`.
  ///
  /// - Throws: `MemoryError` when there is no such memory.
  public convenience init(
    at address: GuestPhysicalAddress, parts: Int, partByteCount: Int = 8192
  ) throws(MemoryError) {
    var allocator = RegionAllocator(try MemoryRegion(at: address, byteCount: parts * partByteCount))
    self.init(try allocator.allocate(parts * partByteCount, alignment: 1), partByteCount: partByteCount)
  }

  func poison(_ range: Range<Int>) {
    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[range]).initializeMemory(
      as: UInt8.self, repeating: Self.poison)
  }

  func isPoisoned(_ range: Range<Int>) -> Bool {
    unsafe isFilled(UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[range]), with: Self.poison)
  }
}
