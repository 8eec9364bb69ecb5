import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("Split ring: the device's rules, seen in the ring's memory")
struct SplitDeviceRuleTests {
  @Test("S21: the same bytes however they are cut into descriptors", arguments: RingLayout.allCases)
  func s21(layout: RingLayout) throws {
    for cut in [[60], [1, 59], [59, 1], [20, 20, 20], [1, 1, 1, 57]] {
      let rig = try Rig(layout, size: 4)
      rig.fill(0, 60, 7)
      var segments: [MemorySegment] = []
      var offset = 0
      for length in cut {
        segments.append(rig.segment(at: offset, length))
        offset += length
      }
      #expect(try rig.driver.add(readable: segments, writable: [], token: 1) == .added)
      rig.driver.publish()
      let chain = try rig.device.fetch()
      #expect(chain.readableByteCount == 60)
      var bytes: [UInt8] = []
      for segment in rig.device.segments { bytes += unsafe Array(segment.bytes) }
      #expect(unsafe bytes.withUnsafeBufferPointer { unsafe cpeer_check($0.baseAddress, 60, 7, 0) } == 60)
    }
  }

  @Test("S22, P19: what the device may read and what it may write are told apart", arguments: RingLayout.allCases)
  func s22(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    let segments = (0..<3).map { rig.segment(at: 64 * $0, 40) }
    #expect(try rig.driver.add(readable: [segments[0]], writable: Array(segments[1...]), token: 1) == .added)
    rig.driver.publish()
    _ = try rig.device.fetch()
    #expect(rig.device.segments.map(\.access) == [.deviceReadable, .deviceWritable, .deviceWritable])
  }

  @Test("S23: the device never writes the descriptor table or the available ring")
  func s23() throws {
    let rig = try Rig(.split, size: 8, features: .eventIndex)
    func driverArea() -> [UInt8] {
      let bytes = 8 * 16
      return unsafe Array(rig.ring.buffer.bytes[..<(bytes + 6 + 16)])
    }
    try Exchange(rig).run(5)
    try Exchange(rig).offer(6)
    let before = driverArea()
    try Exchange(rig).serve(6)
    _ = rig.device.isNotificationDue()
    _ = rig.device.enableNotifications()
    rig.device.disableNotifications()
    #expect(driverArea() == before)
  }

  @Test("S24: WRITE on the descriptor of a table is ignored", arguments: RingLayout.allCases)
  func s24(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4, features: .indirectDescriptors)
    RawRing.table(rig, [(16, 0, 0)])
    let flags = RawRing.indirect | RawRing.write
    if layout == .split {
      try rig.split.describe(0, rig.address(0), 16, flags: flags)
      try rig.split.offer(0)
    } else {
      try rig.packed.describe(0, rig.address(0), 16, flags: flags)
    }
    let chain = try rig.device.fetch()
    #expect(chain.readableByteCount == 16 && chain.writableByteCount == 0)
  }

  @Test("S25: a chain of descriptors that ends in a table")
  func s25() throws {
    let rig = try Rig(.split, size: 8, features: .indirectDescriptors)
    RawRing.table(rig, [(24, RawRing.next, 1), (32, RawRing.write, 0)])
    let view = try rig.split
    view.describe(3, rig.address(512), 8, flags: RawRing.next, next: 5)
    view.describe(5, rig.address(600), 16, flags: RawRing.next, next: 1)
    view.describe(1, rig.address(0), 32, flags: RawRing.indirect)
    view.offer(3)
    let chain = try rig.device.fetch()
    #expect(chain.id == 3 && chain.readableByteCount == 48 && chain.writableByteCount == 32)
    #expect(rig.device.segments.map(\.byteCount) == [8, 16, 24, 32])
  }

  @Test(
    "S26: the device honours the driver's wish: flag without EVENT_IDX, used_event with it", arguments: [false, true])
  func s26(hasEvent: Bool) throws {
    let rig = try Rig(.split, size: 4, features: hasEvent ? .eventIndex : [])
    let view = try rig.split
    for index in 0..<12 as Range<UInt16> {
      let wanted = index % 3 == 0
      // The field that does not count says the opposite.
      view.availableFlags = wanted == hasEvent ? 1 : 0
      view.usedEvent = wanted == hasEvent ? index : index &- 1
      try Exchange(rig).offer(1)
      try Exchange(rig).serve(1)
      #expect(rig.device.isNotificationDue() == wanted)
      _ = try rig.driver.nextUsed()
    }
  }

  @Test("S27, S28: entry and length are in place before the used index moves")
  func s27() throws {
    let rig = try Rig(.split, size: 4)
    let view = try rig.split
    try Exchange(rig).offer(2)
    let chains = try rig.device.fetchAll()
    rig.device.complete(chains[1], written: 0)
    rig.device.complete(chains[0], written: 13)
    #expect(view.usedIndex == 0)
    #expect(view[used: 0].id == 1 && view[used: 0].len == 0)
    #expect(view[used: 1].id == 0 && view[used: 1].len == 13)
    rig.device.publish()
    #expect(view.usedIndex == 2)
  }

  @Test("S27: in order, one entry at the batch's first position names its last buffer; a short one ends the batch")
  func inOrderBatch() throws {
    let rig = try Rig(.split, size: 8, features: .inOrder)
    let view = try rig.split
    for i in 0..<6 { #expect(try rig.driver.add(rig.segment(at: 0, 40), .deviceWritable, token: UInt64(i)) == .added) }
    rig.driver.publish()
    for slot in 0..<8 { view[used: slot] = vring_used_elem(id: 99, len: 99) }
    let chains = try rig.device.fetchAll()
    for (i, chain) in chains.enumerated() { rig.device.complete(chain, written: i == 2 ? 7 : 40) }
    rig.device.publish()
    #expect(view.usedIndex == 6)
    #expect((0..<8).map { view[used: $0].id } == [2, 99, 99, 5, 99, 99, 99, 99])
    #expect(view[used: 0].len == 7 && view[used: 3].len == 40)
    #expect(try rig.driver.reclaim().map(\.writtenByteCount) == [40, 40, 7, 40, 40, 40])
  }

  @Test(
    "S29: the used flags are 0 or 1 without EVENT_IDX, 0 with it; avail_event names what is awaited",
    arguments: [false, true])
  func s29(hasEvent: Bool) throws {
    let rig = try Rig(.split, size: 4, features: hasEvent ? .eventIndex : [])
    let view = try rig.split
    for round in 0..<6 {
      rig.device.disableNotifications()
      #expect(view.usedFlags == (hasEvent ? 0 : 1))
      _ = rig.device.enableNotifications()
      #expect(view.usedFlags == 0)
      #expect(view.availableEvent == (hasEvent ? UInt16(round) : 0))
      try Exchange(rig).run(1)
    }
  }
}
