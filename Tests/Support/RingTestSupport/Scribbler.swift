internal import CRing
package import RingKit
package import RingKitTesting

/// Writes words into somebody else's ring, each with one atomic store, so that the other thread's loads are no race.
@safe
package struct Scribbler: Sendable {
  private let buffer: GuestBuffer

  package init(_ buffer: GuestBuffer) { self.buffer = buffer }

  package var byteCount: Int { buffer.byteCount }

  package func store(_ value: UInt64, at offset: Int) {
    unsafe cring_store_relaxed_64(buffer.host.pointer + offset, value)
  }

  package func store16(_ value: UInt16, at offset: Int) {
    unsafe cring_store_relaxed_16(buffer.host.pointer + offset, value)
  }

  package func load16(at offset: Int) -> UInt16 { unsafe cring_load_relaxed_16(buffer.host.pointer + offset) }

  /// A value a hostile peer might like: small, near a limit, an address, or anything.
  package static func word(_ random: inout SeededGenerator, size: Int, addresses: [UInt64]) -> UInt64 {
    switch random.next() % 8 {
    case 0: return random.next()
    case 1: return random.next() % UInt64(2 * size + 2)
    case 2: return addresses[Int(random.next() % UInt64(addresses.count))] &+ random.next() % 64 &- 32
    case 3: return .max &- random.next() % 64
    case 4:
      // A descriptor's second word: a small length, flags, and a next or id in the ring.
      let flags = random.next() & 0x8087
      return random.next() % 80 | flags << 32 | random.next() % UInt64(size + 1) << 48
    case 5:
      let flags = random.next() & 0x8087
      return random.next() % 80 | random.next() % UInt64(size + 1) << 32 | flags << 48
    case 6: return random.next() & 0xffff_ffff
    default: return 0
    }
  }
}
