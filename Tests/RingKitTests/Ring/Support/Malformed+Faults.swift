import RingTestSupport

@testable import RingKit

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
