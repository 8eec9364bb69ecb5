import RingTestSupport

@testable import RingKit

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
    Malformed(
      "S1: a table that is not at a multiple of 16", .indirectDescriptors,
      expecting: { .violation(RingViolation(.s1, .address, $0.address(8), limit: 16)) },
      write: { rig in
        try rig.split.describe(0, rig.address(8), 32, flags: indirect)
        try rig.split.offer(0)
      }),
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
