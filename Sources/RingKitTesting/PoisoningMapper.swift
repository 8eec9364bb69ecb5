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

  /// A mapping of no bytes, which ``unmap(_:_:)`` refuses.
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
