internal import CRing
package import RingKit

/// Writes words into another thread's ring, each with one atomic store, so that the other thread's loads are no race.
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
}
