import RingKit

/// Bounces each segment through a slot of its own, with a canary byte behind it; clears the slot when it comes back.
struct SealedPath: PairedPath, ~Copyable {
  static var unmapped: Int { -1 }
  var work = UncountedWork()
  private let (memory, slots): (GuestMemory, GuestBuffer)
  private var inUse: [Int: MemorySegment] = [:]
  init(_ memory: GuestMemory) throws { (self.memory, slots) = (memory, try memory.allocate(64 * 4096)) }
  func makeTranslator() -> RegionTranslator<UncountedWork> {
    RegionTranslator(memory: memory, counter: UncountedWork())
  }
  mutating func map(_ s: MemorySegment, _ d: DMADirection) throws(DMAError) -> (address: IOVA, mapping: Int) {
    guard (1..<4096).contains(s.length), let bytes = try? memory.copyOut(s) else { throw .outOfBounds(s) }
    let slot = (0..<64).first { inUse[$0] == nil }
    guard let slot else { throw .bouncePoolFull(byteCount: bytes.count, total: 64, used: 64) }
    inUse[slot] = s
    slots.copyIn(bytes + [0xCA], at: slot * 4096)
    return (IOVA(slots.address.rawValue + UInt64(slot * 4096)), slot)
  }
  mutating func unmap(_ slot: Int, _ d: DMADirection, written: UInt32) throws(DMAError) -> UInt32 {
    guard let s = inUse.removeValue(forKey: slot) else { throw .notMapped(IOVA(slots.address.rawValue)) }
    let bytes = slots.copyOut(at: slot * 4096, byteCount: Int(s.length) + 1)
    // The next buffer in this slot may be shorter: the device must not find the rest of this one behind it.
    slots.copyIn([UInt8](repeating: 0, count: bytes.count), at: slot * 4096)
    guard bytes.last == 0xCA else { throw .custom(CustomDMAError("a device wrote behind slot", UInt64(slot))) }
    if d == .deviceWritable { try? memory.copyIn(bytes.dropLast(), to: s) }
    return min(written, s.length)
  }
  mutating func poll() throws(DMAError) {}
  mutating func flush() throws(DMAError) {}
}
