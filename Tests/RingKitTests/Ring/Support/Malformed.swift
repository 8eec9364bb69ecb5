import CPeer
import RingTestSupport
import Testing

@testable import RingKit

/// A ring that some driver wrote and no driver may write, and the error that names what is wrong with it.
struct Malformed: Sendable, CustomTestStringConvertible {
  static let next = CPEER_FLAG_NEXT.rawValue
  static let write = CPEER_FLAG_WRITE.rawValue
  static let indirect = CPEER_FLAG_INDIRECT.rawValue

  let testDescription: String
  let features: VirtioFeatures
  let expected: @Sendable (Rig) -> QueueError
  let write: @Sendable (Rig) throws -> Void

  init(
    _ name: String, _ features: VirtioFeatures = [], expecting expected: @escaping @Sendable (Rig) -> QueueError,
    write: @escaping @Sendable (Rig) throws -> Void
  ) {
    testDescription = name
    self.features = features
    self.expected = expected
    self.write = write
  }

  init(
    _ name: String, _ rule: RingRule, _ field: RingViolation.Field, _ value: UInt64, limit: UInt64 = 0,
    write: @escaping @Sendable (Rig) throws -> Void
  ) { self.init(name, [], rule, field, value, limit: limit, write: write) }

  init(
    _ name: String, _ features: VirtioFeatures, _ rule: RingRule, _ field: RingViolation.Field, _ value: UInt64,
    limit: UInt64 = 0, write: @escaping @Sendable (Rig) throws -> Void
  ) {
    self.init(
      name, features, expecting: { _ in .violation(.init(rule, field, value, limit: limit)) }, write: write)
  }

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
