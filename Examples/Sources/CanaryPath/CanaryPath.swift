import RingKit

/// Bounces each segment through a slot of its own, with a canary byte behind it.
struct CanaryPath: PairedPath, ~Copyable {
  struct Mapping: BitwiseCopyable {
    var (slot, segment) = (-1, MemorySegment(GuestPhysicalAddress(0), length: 0))
  }
  static var unmapped: Mapping { Mapping() }
  var work = NoWork()
  private let (memory, slots): (GuestMemory, GuestBuffer)
  private var free = Array(0..<64)
  init(_ memory: GuestMemory) throws { (self.memory, slots) = (memory, try memory.allocate(64 * 4096)) }
  func makeTranslator() -> RegionTranslator<NoWork> { RegionTranslator(memory: memory, counter: NoWork()) }
  mutating func map(_ s: MemorySegment, _ d: DMADirection) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    guard (1..<4096).contains(s.length), let bytes = try? memory.copyOut(s) else { throw .outOfBounds(s) }
    guard let slot = free.popLast() else { throw .bouncePoolFull(byteCount: bytes.count, total: 64, used: 64) }
    slots.copyIn(bytes + [0xCA], at: slot * 4096)
    return (IOVA(slots.address.rawValue + UInt64(slot * 4096)), Mapping(slot: slot, segment: s))
  }
  mutating func unmap(_ m: Mapping, _ d: DMADirection, written: UInt32) throws(DMAError) -> UInt32 {
    guard m.slot >= 0, !free.contains(m.slot) else { throw .notMapped(IOVA(m.segment.address.rawValue)) }
    free.append(m.slot)
    let bytes = slots.copyOut(at: m.slot * 4096, byteCount: Int(m.segment.length) + 1)
    guard bytes.last == 0xCA else { throw .custom(CustomDMAError("a device wrote behind slot", UInt64(m.slot))) }
    if d == .deviceWritable { try? memory.copyIn(bytes.dropLast(), to: m.segment) }
    return min(written, m.segment.length)
  }
  mutating func poll() throws(DMAError) {}
  mutating func flush() throws(DMAError) {}
}
