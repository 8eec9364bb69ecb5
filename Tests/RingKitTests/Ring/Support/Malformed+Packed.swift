import CPeer
import RingTestSupport

@testable import RingKit

extension Malformed {
  /// Rings of four descriptors, one violation each.
  static let packed: [Malformed] = [
    Malformed(
      "P1: a table that is not at a multiple of 16", .indirectDescriptors,
      expecting: { .violation(RingViolation(.p1, .address, $0.address(8), limit: 16)) },
      write: { try $0.packed.describe(0, $0.address(8), 32, flags: indirect) }),
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
