internal import Glibc
public import RingKit

/// A DMA path for tests that always bounces and never forgives.
///
/// Each mapping gets the part of the arena that has been unused for longest, so an address kept too long does not work
/// by accident; what is not mapped is poisoned with 0xDB, so a driver that reads before it unmaps, or a device that
/// reads after, sees it; and the arena counts what was never undone, undone twice, or written out of turn.
///
/// Slow on purpose: every map and unmap looks at a whole part. Owned by one thread.
public struct PoisoningMapper<Counter: WorkCounter>: PairedPath, DrainedMapper, ~Copyable {
  /// What undoes a mapping: the address the device was given, the length (0 where nothing is mapped), and its number.
  public typealias Mapping = (address: IOVA, byteCount: UInt32, serial: UInt64)

  /// What this mapper and the queue around it did.
  public var work: Counter
  /// The bounce memory and the account.
  public let arena: PoisoningArena
  private let memory: GuestMemory

  /// A mapper that bounces segments of `memory` through `arena`, which no other mapper uses.
  public init(memory: GuestMemory, arena: PoisoningArena, counter: Counter) {
    self.memory = memory
    self.arena = arena
    work = counter
  }

  /// A mapping of no bytes, which `unmap(_:_:)` refuses.
  public static var unmapped: Mapping { (address: IOVA(0), byteCount: 0, serial: 0) }

  /// Copies the segment into a part of the arena.
  ///
  /// - Throws: `DMAError.outOfBounds`, `.tooLarge` (more than a part) or `.bouncePoolFull`, counted in parts.
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    let byteCount = Int(segment.length)
    guard byteCount > 0, let source = memory.driverTable.translate(segment.address, length: UInt64(byteCount)) else {
      throw .outOfBounds(segment)
    }
    guard byteCount <= arena.partByteCount else {
      throw .tooLarge(byteCount: byteCount, maximum: arena.partByteCount)
    }
    guard !arena.free.isEmpty else {
      throw .bouncePoolFull(byteCount: byteCount, total: arena.serials.count, used: arena.outstanding)
    }
    let part = arena.free.removeFirst()
    let start = part * arena.partByteCount
    if !arena.isPoisoned(start..<start + arena.partByteCount) { arena.writesWhileUnmapped += 1 }
    arena.poison(start..<start + arena.partByteCount)
    // SAFETY: `source` was found inside one region, and the part is at least as long as the segment.
    unsafe (arena.buffer.host.pointer + start).copyMemory(from: source.pointer, byteCount: byteCount)
    let serial = arena.nextSerial
    arena.nextSerial += 1
    arena.serials[part] = serial
    arena.originals[part] = source
    arena.outstanding += 1
    work.add(.maps, 1)
    work.add(.bytesCopiedIn, UInt64(byteCount))
    let address = IOVA(arena.buffer.address.rawValue + UInt64(start))
    return (address, (address: address, byteCount: segment.length, serial: serial))
  }

  /// Copies a device-writable segment back and poisons the part.
  ///
  /// - Throws: `DMAError.notMapped` for a mapping that is not the arena's, or was undone before.
  public mutating func unmap(
    _ mapping: Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let offset = mapping.address.rawValue &- arena.buffer.address.rawValue
    let part = offset / UInt64(arena.partByteCount)
    guard mapping.serial != 0, part < UInt64(arena.serials.count), mapping.serial < arena.nextSerial else {
      throw .notMapped(mapping.address)
    }
    guard arena.serials[Int(part)] == mapping.serial else {
      arena.doubleUnmaps += 1
      throw .notMapped(mapping.address)
    }
    let start = Int(offset)
    let end = start + Int(mapping.byteCount)
    if direction == .deviceWritable {
      // SAFETY: the original was found inside one region for this mapping's length.
      unsafe arena.originals[Int(part)].pointer.copyMemory(
        from: arena.buffer.host.pointer + start, byteCount: Int(mapping.byteCount))
      work.add(.bytesCopiedOut, UInt64(mapping.byteCount))
    }
    if !arena.isPoisoned(end..<start + arena.partByteCount) { arena.overruns += 1 }
    arena.poison(start..<start + arena.partByteCount)
    arena.serials[Int(part)] = 0
    arena.free.append(Int(part))
    arena.outstanding -= 1
    work.add(.unmaps, 1)
    return 0
  }

  /// Nothing is deferred.
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  public mutating func flush() throws(DMAError) {}

  /// A look-up among the shared regions, the arena's among them.
  public func makeTranslator() -> RegionTranslator<Counter> { RegionTranslator(memory: memory, counter: Counter()) }
}

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
    let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[range])
    unsafe part.baseAddress.map { start in unsafe _ = memset(start, Int32(Self.poison), part.count) }
  }

  func isPoisoned(_ range: Range<Int>) -> Bool {
    unsafe isFilled(UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[range]), with: Self.poison)
  }
}

/// Whether every byte is `value`; at the speed of memcmp, in debug builds too.
package func isFilled(_ bytes: UnsafeMutableRawBufferPointer, with value: UInt8) -> Bool {
  guard let first = unsafe bytes.first, let base = bytes.baseAddress else { return true }
  // Each byte equals the one before it, and the first is right.
  return unsafe first == value && memcmp(base, base + 1, bytes.count - 1) == 0
}

/// Whether both hold the same bytes; at the speed of memcmp, in debug builds too.
package func isEqual(_ bytes: UnsafeMutableRawBufferPointer, to expected: ArraySlice<UInt8>) -> Bool {
  guard bytes.count == expected.count else { return false }
  return unsafe expected.withUnsafeBytes { other in
    guard let base = bytes.baseAddress, let otherBase = other.baseAddress else { return true }
    return unsafe memcmp(base, otherBase, other.count) == 0
  }
}

/// Where two runs of bytes differ first, as far as both go; `nil` where they do not.
func firstDifference(_ first: [UInt8], _ second: [UInt8]) -> Int? {
  let count = min(first.count, second.count)
  let areEqual = unsafe first.withUnsafeBytes { a in
    unsafe second.withUnsafeBytes { b in
      guard let base = a.baseAddress, let other = b.baseAddress else { return true }
      return unsafe memcmp(base, other, count) == 0
    }
  }
  return areEqual ? nil : (0..<count).first { first[$0] != second[$0] }
}
