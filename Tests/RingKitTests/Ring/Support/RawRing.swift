import CPeer
import RingKitTesting
import RingTestSupport

@testable import RingKit

/// Rings and tables as linux/virtio_ring.h has them, written without RingKit.
enum RawRing {
  static let next = CPEER_FLAG_NEXT.rawValue
  static let write = CPEER_FLAG_WRITE.rawValue
  static let indirect = CPEER_FLAG_INDIRECT.rawValue

  /// Writes indirect table entries of either layout at the start of the payload.
  static func table(_ rig: Rig, _ entries: [(length: UInt32, flags: UInt32, next: UInt16)]) {
    for (i, entry) in entries.enumerated() {
      let buffer = rig.payload.buffer.slice(at: 16 * i, byteCount: 16)
      switch rig.layout {
      case .split:
        let value = vring_desc(
          addr: rig.address(1024), len: entry.length, flags: UInt16(entry.flags), next: entry.next)
        unsafe buffer.bytes.storeBytes(of: value, as: vring_desc.self)
      case .packed:
        let value = vring_packed_desc(
          addr: rig.address(1024), len: entry.length, id: entry.next, flags: UInt16(entry.flags))
        unsafe buffer.bytes.storeBytes(of: value, as: vring_packed_desc.self)
      }
    }
  }
}

/// A violation as a queue reports it.
func violation(
  _ rule: RingRule, _ field: RingViolation.Field, _ value: UInt64, limit: UInt64 = 0
) -> RingViolation { RingViolation(rule, field, value, limit: limit) }

extension Rig {
  /// The first address behind the region the payload lies in.
  var payloadEnd: UInt64 { payload.buffer.region.guestBase.rawValue + UInt64(payload.buffer.region.byteCount) }

  /// The ring for a peer that keeps no rule.
  var ringMemory: RingMemory {
    get throws { RingMemory(try areas, isPacked: layout == .packed, size: configuration.size) }
  }

  /// What a hostile driver has to do with before anything is added, the lie's table at the start of the payload.
  func driverStage(for lie: Lie<DriverStage>, variation: Int = 0) throws -> DriverStage {
    let entries = lie.table.map { RawDescriptor(address(1024), $0.length, flags: $0.flags, link: $0.link) }
    payload.buffer.copyIn(entries.flatMap { $0.bytes(isPacked: layout == .packed) })
    return DriverStage(
      try ringMemory, position: 0, readable: address(1024), writable: address(2048), table: address(0),
      end: payloadEnd, variation: variation)
  }
}
