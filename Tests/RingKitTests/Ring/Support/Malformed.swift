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

/// A violation as a queue reports it.
func violation(
  _ rule: RingRule, _ field: RingViolation.Field, _ value: UInt64, limit: UInt64 = 0
) -> RingViolation { RingViolation(rule, field, value, limit: limit) }

extension Malformed {
  /// Addresses that lead nowhere, in a descriptor and as a table.
  static let faults: [Malformed] =
    [
      fault("address 0", 0, 16) { _ in .outOfBounds(IOVA(0), byteCount: 16) },
      fault("the last bytes of the address space and more", .max - 7, 16) { _ in
        .addressOverflow(IOVA(.max - 7), byteCount: 16)
      },
      fault("the last bytes of the address space", .max - 15, 16) { _ in
        .outOfBounds(IOVA(.max - 15), byteCount: 16)
      },
      fault("4 GiB from 2^64 - 2^32 + 2 on", .max - 0xffff_fffd, 0xffff_ffff) { _ in
        .addressOverflow(IOVA(.max - 0xffff_fffd), byteCount: 0xffff_ffff)
      },
      fault("the end of a region and more", nil, 16) { .outOfBounds(IOVA($0), byteCount: 8) },
    ] + [
      table("address 0", 0) { .outOfBounds(IOVA(0), byteCount: 32) },
      table("the last bytes of the address space and more", .max - 15) {
        .addressOverflow(IOVA(.max - 15), byteCount: 32)
      },
    ]

  /// `nil` is eight bytes before the end of the payload's region.
  private static func fault(
    _ name: String, _ address: UInt64?, _ length: UInt32, _ expected: @escaping @Sendable (UInt64) -> DMAFault
  ) -> Malformed {
    Malformed(
      "a descriptor at \(name)", expecting: { .fault(expected($0.payloadEnd)) },
      write: { try describe($0, address ?? $0.payloadEnd - 8, length, flags: 0) })
  }

  private static func table(
    _ name: String, _ address: UInt64, _ expected: @escaping @Sendable () -> DMAFault
  ) -> Malformed {
    Malformed(
      "a table at \(name)", .indirectDescriptors, expecting: { _ in .fault(expected()) },
      write: { try describe($0, address, 32, flags: indirect) })
  }

  private static func describe(_ rig: Rig, _ address: UInt64, _ length: UInt32, flags: UInt32) throws {
    switch rig.layout {
    case .split:
      try rig.split.describe(0, address, length, flags: flags)
      try rig.split.offer(0)
    case .packed: try rig.packed.describe(0, address, length, flags: flags)
    }
  }
}

extension Rig {
  /// The first address behind the region the payload lies in.
  var payloadEnd: UInt64 { payload.buffer.region.guestBase.rawValue + UInt64(payload.buffer.region.byteCount) }
}

extension Malformed {
  /// Rings of four descriptors, one violation each.
  static let packed: [Malformed] = [
    Malformed("P6: a list longer than the queue", .p6, .count, 5, limit: 4) { rig in
      for slot in 0..<4 { try rig.packed.describe(slot, rig.address(0), 16, flags: next) }
    },
    Malformed("P6: one byte more than 2^32 in all", .p6, .length, 1 << 32 + 1, limit: 1 << 32) { rig in
      try rig.packed.describe(0, rig.address(0), 2, flags: next)
      try rig.packed.describe(1, rig.address(0), 0xffff_ffff)
    },
    Malformed("P7: a readable descriptor behind a writable one", .p7, .flags, 0) { rig in
      try rig.packed.describe(0, rig.address(0), 16, flags: next | write)
      try rig.packed.describe(1, rig.address(0), 16)
    },
    Malformed("P10: the rest of a list is not available", .p10, .flags, 0) { rig in
      try rig.packed.describe(0, rig.address(0), 16, flags: next)
    },
    Malformed("P11: INDIRECT without the feature", .p11, .flags, 0x84) {
      try $0.packed.describe(0, $0.address(0), 16, flags: indirect)
    },
    Malformed("P12: a table inside a table", .indirectDescriptors, .p12, .flags, 4) { rig in
      table(rig, [(16, 0, 0), (16, indirect, 0)])
      try rig.packed.describe(0, rig.address(0), 32, flags: indirect)
    },
    Malformed("P13: an empty table", .indirectDescriptors, .p13, .length, 0, limit: 16) {
      try $0.packed.describe(0, $0.address(0), 0, flags: indirect)
    },
    Malformed("P13: a table of one entry and a half", .indirectDescriptors, .p13, .length, 24, limit: 16) {
      try $0.packed.describe(0, $0.address(0), 24, flags: indirect)
    },
    Malformed("P13: a table longer than the queue", .indirectDescriptors, .p13, .count, 5, limit: 4) {
      try $0.packed.describe(0, $0.address(0), 80, flags: indirect)
    },
    Malformed("P14: INDIRECT with NEXT", .indirectDescriptors, .p14, .flags, 0x85) {
      try $0.packed.describe(0, $0.address(0), 16, flags: indirect | next)
    },
    Malformed("P14: INDIRECT at the end of a list", .indirectDescriptors, .p14, .flags, 0x84) { rig in
      try rig.packed.describe(0, rig.address(0), 16, flags: next)
      try rig.packed.describe(1, rig.address(0), 16, flags: indirect)
    },
  ]
}

extension Malformed {
  /// Rings of four descriptors, one violation each.
  static let split: [Malformed] =
    chains + tables + [
      Malformed("S4: a head outside the table", .s4, .identifier, 4, limit: 4) { try $0.split.offer(4) },
      Malformed("S4: the largest head", .s4, .identifier, 0xffff, limit: 4) { try $0.split.offer(0xffff) },
      Malformed("S11: the available index is further ahead than the ring is long", .s11, .index, 5, limit: 4) {
        try $0.split.availableIndex = 5
      },
      Malformed("S11: the available index goes back by one from the start", .s11, .index, 0xffff, limit: 4) {
        try $0.split.availableIndex = 0xffff
      },
    ]

  private static let chains: [Malformed] = [
    Malformed("S2: a readable descriptor behind a writable one", .s2, .flags, 0) { rig in
      try rig.split.describe(0, rig.address(0), 16, flags: write | next, next: 1)
      try rig.split.describe(1, rig.address(16), 16)
      try rig.split.offer(0)
    },
    Malformed("S4: next outside the table", .s4, .identifier, 4, limit: 4) { rig in
      try rig.split.describe(2, rig.address(0), 16, flags: next, next: 4)
      try rig.split.offer(2)
    },
    Malformed("S4: a loop of two", .s4, .count, 5, limit: 4) { rig in
      try rig.split.describe(0, rig.address(0), 16, flags: next, next: 1)
      try rig.split.describe(1, rig.address(0), 16, flags: next, next: 0)
      try rig.split.offer(0)
    },
    Malformed("S4: a descriptor that leads to itself", .s4, .count, 5, limit: 4) { rig in
      try rig.split.describe(3, rig.address(0), 16, flags: next, next: 3)
      try rig.split.offer(3)
    },
    Malformed("S4: one byte more than 2^32 in all", .s4, .length, 1 << 32 + 1, limit: 1 << 32) { rig in
      try rig.split.describe(0, rig.address(0), 2, flags: next, next: 1)
      try rig.split.describe(1, rig.address(0), 0xffff_ffff)
      try rig.split.offer(0)
    },
    Malformed("S5: next skips a descriptor", .inOrder, .s5, .identifier, 2, limit: 1) { rig in
      try rig.split.describe(0, rig.address(0), 16, flags: next, next: 2)
      try rig.split.offer(0)
    },
    Malformed("S5: next of the last descriptor is not 0", .inOrder, .s5, .identifier, 1, limit: 0) { rig in
      try rig.split.describe(3, rig.address(0), 16, flags: next, next: 1)
      try rig.split.offer(3)
    },
    Malformed("S6: INDIRECT without the feature", .s6, .flags, 4) { rig in
      try rig.split.describe(0, rig.address(0), 16, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S9: INDIRECT with NEXT", .indirectDescriptors, .s9, .flags, 5) { rig in
      try rig.split.describe(0, rig.address(0), 16, flags: indirect | next)
      try rig.split.offer(0)
    },
  ]

  private static let tables: [Malformed] = [
    Malformed("S4: a table entry's next outside the table", .indirectDescriptors, .s4, .identifier, 2, limit: 2) {
      rig in
      table(rig, [(16, next, 2), (16, 0, 0)])
      try rig.split.describe(0, rig.address(0), 32, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S7: a table inside a table", .indirectDescriptors, .s7, .flags, 4) { rig in
      table(rig, [(16, indirect, 0)])
      try rig.split.describe(0, rig.address(0), 16, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S8: a loop inside a table", .indirectDescriptors, .s8, .count, 5, limit: 4) { rig in
      table(rig, [(16, next, 1), (16, next, 0)])
      try rig.split.describe(0, rig.address(0), 32, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S8: an empty table", .indirectDescriptors, .s8, .length, 0, limit: 16) { rig in
      try rig.split.describe(0, rig.address(0), 0, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S8: a table of one entry and a half", .indirectDescriptors, .s8, .length, 24, limit: 16) { rig in
      try rig.split.describe(0, rig.address(0), 24, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S8: a table longer than the queue", .indirectDescriptors, .s8, .count, 5, limit: 4) { rig in
      try rig.split.describe(0, rig.address(0), 80, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed("S8: a chain and its table longer than the queue", .indirectDescriptors, .s8, .count, 5, limit: 4) {
      rig in
      table(rig, [(16, next, 1), (16, 0, 0)])
      for slot in 0..<3 { try rig.split.describe(slot, rig.address(512), 16, flags: next, next: UInt16(slot + 1)) }
      try rig.split.describe(3, rig.address(0), 32, flags: indirect)
      try rig.split.offer(0)
    },
    Malformed(
      "S10: entries of a table out of sequence", [.indirectDescriptors, .inOrder], .s10, .identifier, 2, limit: 1
    ) { rig in
      table(rig, [(16, next, 2), (16, 0, 0), (16, 0, 0)])
      try rig.split.describe(0, rig.address(0), 48, flags: indirect)
      try rig.split.offer(0)
    },
  ]
}
