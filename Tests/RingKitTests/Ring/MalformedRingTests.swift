import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("A device's answer to a malformed ring")
struct MalformedRingTests {
  @Test("split: the error names rule and value, and the queue is broken", arguments: Malformed.split)
  func split(_ what: Malformed) throws { try check(.split, what) }

  @Test("packed: the error names rule and value, and the queue is broken", arguments: Malformed.packed)
  func packed(_ what: Malformed) throws { try check(.packed, what) }

  @Test("an address that is not memory is a fault", arguments: RingLayout.allCases, Malformed.faults)
  func fault(layout: RingLayout, _ what: Malformed) throws { try check(layout, what) }

  private func check(_ layout: RingLayout, _ what: Malformed) throws {
    let rig = try Rig(layout, size: 4, features: what.features)
    try what.write(rig)
    #expect(rig.device.failure() == what.expected(rig))
    #expect(rig.device.isBroken)
    #expect(rig.device.failure() == .broken)
    #expect(try rig.audit().isEmpty)
    // After a reset of both ends the queue is as good as new.
    rig.device.reset()
    #expect(try rig.driver.reset().isEmpty)
    #expect(!rig.device.isBroken)
    try Exchange(rig).run(9)
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
    view.describe(2, rig.address(0), 16, flags: Malformed.next)
    view.describe(3, rig.address(0), 16, flags: Malformed.next)
    #expect(rig.device.failure() == .violation(violation(.p6, .count, 5, limit: 4)))
  }

  @Test("a chain as long as the queue, and 2^32 bytes in all, are not too much", arguments: RingLayout.allCases)
  func limits(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    // Zero-length elements count as descriptors and touch no memory.
    for slot in 0..<4 {
      let flags = slot < 3 ? Malformed.next : 0
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
