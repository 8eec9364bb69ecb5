import BenchHarness
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// The frames of a load: header, Ethernet header, a number, and a payload made from it; one place each in a pool.
package struct NetFrames: Sendable {
  package let pool: PayloadPool
  /// Bytes of a frame.
  package let bytes: Int

  // Destination and source of local administration, and the type IEEE keeps for experiments.
  private static let addresses: [UInt16] = [0x0002, 0x0000, 0x0100, 0x0002, 0x0000, 0x0200, 0xb588]
  private static let numberOffset = 16
  private static let payloadOffset = 24

  package init(_ buffer: GuestBuffer, bytes: Int) {
    pool = PayloadPool(buffer, bytes: NetHeader.byteCount + bytes)
    self.bytes = bytes
  }

  /// Memory for that many frames.
  package static func byteCount(_ count: Int, bytes: Int) -> Int {
    count * PayloadPool.stride(for: NetHeader.byteCount + bytes)
  }

  private func frame(_ place: Int) -> SharedMemory {
    SharedMemory(pool.host(place).advanced(by: NetHeader.byteCount), byteCount: bytes)
  }

  private func payload(_ place: Int) -> HostAddress {
    pool.host(place).advanced(by: NetHeader.byteCount + Self.payloadOffset)
  }

  package func write(_ number: UInt64, at place: Int) {
    NetHeader.clear(pool.host(place))
    let frame = frame(place)
    for (i, word) in Self.addresses.enumerated() { frame.store16(word, 2 * i) }
    frame.store16(0, 14)
    frame.store32(UInt32(truncatingIfNeeded: number), Self.numberOffset)
    frame.store32(UInt32(truncatingIfNeeded: number >> 32), Self.numberOffset + 4)
    unsafe crb_fill(payload(place).pointer, bytes - Self.payloadOffset, number)
  }

  /// The number a frame carries.
  package func number(at place: Int) -> UInt64 {
    let frame = frame(place)
    return UInt64(frame.load32(Self.numberOffset)) | UInt64(frame.load32(Self.numberOffset + 4)) << 32
  }

  /// The offset of the first byte that is not as it was sent, `nil` when all are.
  package func firstWrongByte(_ number: UInt64, at place: Int) -> Int? {
    let frame = frame(place)
    for (i, word) in Self.addresses.enumerated() where frame.load16(2 * i) != word { return 2 * i }
    let (host, count) = (payload(place), bytes - Self.payloadOffset)
    if unsafe crb_check(host.pointer, count, number) { return nil }
    return Self.payloadOffset + (unsafe crb_first_wrong_byte(host.pointer, count, number))
  }
}
