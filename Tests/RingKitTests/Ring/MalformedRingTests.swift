import CPeer
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("A device's answer to a malformed ring")
struct MalformedRingTests {
  @Test(
    "split: the error names rule and value, and the queue is broken", arguments: Lie<DriverStage>.all(isPacked: false))
  func split(_ lie: Lie<DriverStage>) throws { try check(.split, lie) }

  @Test(
    "packed: the error names rule and value, and the queue is broken", arguments: Lie<DriverStage>.all(isPacked: true))
  func packed(_ lie: Lie<DriverStage>) throws { try check(.packed, lie) }

  private func check(_ layout: RingLayout, _ lie: Lie<DriverStage>) throws {
    for variation in [0, 1, 7, 65_530, Int(Int32.max)] {
      let rig = try Rig(layout, size: 4, features: lie.features)
      let expected = lie.tell(try rig.driverStage(for: lie, variation: variation))
      #expect(rig.device.failure() == expected)
      #expect(rig.device.isBroken)
      #expect(rig.device.failure() == .broken)
      #expect(try rig.audit().isEmpty)
      // After a reset of both ends the queue is as good as new.
      rig.device.reset()
      #expect(try rig.driver.reset().isEmpty)
      #expect(!rig.device.isBroken)
      try Exchange(rig).run(9)
    }
  }

  @Test("what a hostile peer writes lies where linux/virtio_ring.h has it", arguments: RingLayout.allCases)
  func offsets(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    let ring = try rig.ringMemory
    let whole = RingMemory(in: rig.ring.buffer, isPacked: layout == .packed, size: 4)
    for (one, other) in [
      (whole.descriptors, ring.descriptors), (whole.driverArea, ring.driverArea), (whole.deviceArea, ring.deviceArea),
    ] { #expect(one.address == other.address) }
    ring[3] = RawDescriptor(0x1122_3344_5566_7788, 0x99aa_bbcc, flags: 0x8083, link: 0xddee)
    guard layout == .split else {
      let found = try rig.packed[descriptor: 3]
      #expect(found.addr == 0x1122_3344_5566_7788 && found.len == 0x99aa_bbcc)
      #expect(found.flags == 0x8083 && found.id == 0xddee)
      return
    }
    let view = try rig.split
    #expect(view[descriptor: 3].addr == 0x1122_3344_5566_7788 && view[descriptor: 3].len == 0x99aa_bbcc)
    #expect(view[descriptor: 3].flags == 0x8083 && view[descriptor: 3].next == 0xddee)
    ring.availableFlags = 1
    ring.availableIndex = 6
    ring.offer(3)
    ring.usedEvent = 8
    #expect(view.availableFlags == 1 && view.availableIndex == 7 && view[available: 2] == 3 && view.usedEvent == 8)
    ring.usedFlags = 2
    ring.usedIndex = 9
    ring.setUsedEntry(at: 5, id: 0x1_0002, length: 0x3_0004)
    ring.availableEvent = 10
    #expect(view.usedFlags == 2 && view.usedIndex == 9 && view.availableEvent == 10)
    #expect(view[used: 1].id == 0x1_0002 && view[used: 1].len == 0x3_0004)
  }

  @Test("S11: the available index goes back behind what was fetched")
  func indexGoesBack() throws {
    let rig = try Rig(.split, size: 4)
    try Exchange(rig).offer(2)
    #expect(try rig.device.fetchAll().count == 2)
    try rig.split.availableIndex = 1
    #expect(rig.device.failure() == .violation(violation(.s11, .index, 1, limit: 4)))
  }

  @Test("P6: available again although the device holds every descriptor")
  func allHeld() throws {
    let rig = try Rig(.packed, size: 3)
    try Exchange(rig).offer(3)
    #expect(try rig.device.fetchAll().count == 3)
    // The second lap's flags.
    try rig.packed[descriptor: 0].flags = 1 << 15
    #expect(rig.device.failure() == .violation(violation(.p6, .count, 4, limit: 3)))
  }

  @Test("P6: a list that runs into descriptors the device holds")
  func listIntoHeld() throws {
    let rig = try Rig(.packed, size: 4)
    let view = try rig.packed
    view.describe(0, rig.address(0), 16)
    view.describe(1, rig.address(0), 16)
    #expect(try rig.device.fetchAll().count == 2)
    view.describe(2, rig.address(0), 16, flags: RawRing.next)
    view.describe(3, rig.address(0), 16, flags: RawRing.next)
    #expect(rig.device.failure() == .violation(violation(.p6, .count, 5, limit: 4)))
  }

  @Test("a chain as long as the queue, and 2^32 bytes in all, are not too much", arguments: RingLayout.allCases)
  func limits(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    // Zero-length elements count as descriptors and touch no memory.
    for slot in 0..<4 {
      let flags = slot < 3 ? RawRing.next : 0
      if layout == .split {
        try rig.split.describe(slot, .max, 0, flags: flags, next: UInt16(slot + 1))
      } else {
        try rig.packed.describe(slot, .max, 0, id: 7, flags: flags)
      }
    }
    if layout == .split { try rig.split.offer(0) }
    let chain = try rig.device.fetch()
    #expect(chain.segmentCount == 0 && chain.readableByteCount == 0)
    #expect(chain.descriptorCount == (layout == .split ? 1 : 4))
    if layout == .packed { #expect(chain.id == 7) }
  }
}
