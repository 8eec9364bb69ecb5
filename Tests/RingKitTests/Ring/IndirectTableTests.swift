import CPeer
import RingKit
import RingTestSupport
import Testing

/// Where a table and what it points to lie (virtio 1.2, 2.7.5.3 and 2.8.7 ask for no alignment).
@Suite("An indirect table may lie at any address")
struct IndirectTableTests {
  /// Two regions that follow each other for the guest at an odd address, and do not here.
  private struct Seam {
    static let base: UInt64 = 0x4000_0009
    static let byteCount = 4096
    static let address = base + UInt64(byteCount)
    let regions: [MemoryRegion]

    init() throws {
      regions = try [Self.base, Self.address].map {
        try MemoryRegion(at: GuestPhysicalAddress($0), byteCount: Self.byteCount)
      }
    }

    /// Writes bytes at a guest address, on either side of the seam.
    func store(_ bytes: [UInt8], at address: UInt64) {
      for (i, byte) in bytes.enumerated() {
        let offset = Int(address - Self.base) + i
        let region = regions[offset / Self.byteCount]
        unsafe region.hostBase.pointer.storeBytes(of: byte, toByteOffset: offset % Self.byteCount, as: UInt8.self)
      }
    }

    func byte(at address: UInt64) -> HostAddress {
      let offset = Int(address - Self.base)
      return unsafe regions[offset / Self.byteCount].hostBase.advanced(by: offset % Self.byteCount)
    }
  }

  /// A descriptor of either layout as its bytes lie in memory.
  private static func entry(_ layout: RingLayout, _ address: UInt64, _ length: UInt32, _ flags: UInt32, next: UInt16)
    -> [UInt8]
  {
    let (flags, other) = (UInt16(flags), next)
    let halves = layout == .split ? [flags, other] : [0, flags]
    return (0..<8).map { UInt8(truncatingIfNeeded: address >> UInt64(8 * $0)) }
      + (0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(8 * $0)) }
      + halves.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
  }

  private func device(_ rig: Rig, _ memory: GuestMemory) throws -> DeviceEnd {
    let translator = RegionTranslator(memory: memory, counter: UncountedWork())
    switch rig.layout {
    case .split:
      return DeviceBox(
        try SplitDeviceQueue(rig.configuration, ring: SplitRing(in: rig.ring.buffer, size: 4), translator: translator))
    case .packed:
      return DeviceBox(
        try PackedDeviceQueue(rig.configuration, ring: PackedRing(in: rig.ring.buffer, size: 4), translator: translator)
      )
    }
  }

  private func offer(_ rig: Rig, _ table: UInt64, _ byteCount: UInt32) throws {
    if rig.layout == .split {
      try rig.split.describe(0, table, byteCount, flags: RawRing.indirect)
      try rig.split.offer(0)
    } else {
      try rig.packed.describe(0, table, byteCount, id: 3, flags: RawRing.indirect)
    }
  }

  @Test(
    "S1, P1: at any offset, with any byte of an entry in the next region, and segments as unaligned",
    arguments: RingLayout.allCases, 0...33)
  func anywhere(layout: RingLayout, before: Int) throws {
    let rig = try Rig(layout, size: 4, features: .indirectDescriptors)
    let seam = try Seam()
    let device = try device(rig, try GuestMemory(seam.regions + [rig.ring.buffer.region]))
    // Two entries from so many bytes before the seam on.
    let table = Seam.address - UInt64(before)
    let (request, reply) = (Seam.base + 101, Seam.address + 1003)
    seam.store(Self.entry(layout, request, 13, RawRing.next, next: 1), at: table)
    seam.store(Self.entry(layout, reply, 7, RawRing.write, next: 0), at: table + 16)
    try offer(rig, table, 32)
    let chain = try device.fetch()
    #expect(chain.readableByteCount == 13 && chain.writableByteCount == 7 && chain.segmentCount == 2)
    #expect(device.segments.map(\.host) == [seam.byte(at: request), seam.byte(at: reply)])
    #expect(device.segments.map(\.byteCount) == [13, 7])
    #expect(chain.id == (layout == .split ? 0 : 3))
  }

  @Test("an entry whose rest is no memory is a fault at the first byte that is missing", arguments: RingLayout.allCases)
  func ends(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4, features: .indirectDescriptors)
    let seam = try Seam()
    let device = try device(rig, try GuestMemory([seam.regions[0], rig.ring.buffer.region]))
    for missing in 1...16 as ClosedRange<UInt64> {
      device.reset()
      _ = try rig.driver.reset()
      try offer(rig, Seam.address - 16 + missing, 16)
      #expect(device.failure() == .fault(.outOfBounds(IOVA(Seam.address), byteCount: missing)))
    }
  }
}
