import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("Split ring: the driver's rules, seen in the ring's memory")
struct SplitDriverRuleTests {
  private func chain(_ rig: Rig, _ readable: Int, _ writable: Int, token: UInt64 = 1) throws {
    let segments = (0..<readable + writable).map { rig.segment(at: 64 * $0, 40) }
    let result = try rig.driver.add(
      readable: Array(segments[..<readable]), writable: Array(segments[readable...]), token: token)
    #expect(result == .added)
  }

  /// The slots of a chain from its head on, as a device would walk them.
  private func slots(_ view: SplitView, from head: UInt16) -> [UInt16] {
    var slots = [head]
    while view[descriptor: Int(slots[slots.count - 1])].flags & UInt16(RawRing.next) != 0, slots.count < 100 {
      slots.append(view[descriptor: Int(slots[slots.count - 1])].next)
    }
    return slots
  }

  @Test("S1: parts at multiples of 16, 2 and 4, or none", arguments: [1, 2, 4, 64, 1024])
  func s1(size: Int) throws {
    let rig = try Rig(.split, size: size)
    let addresses = try SplitRing(in: rig.ring.buffer, size: size).addresses
    #expect(addresses.descriptors.rawValue % 16 == 0)
    #expect(addresses.available.rawValue % 2 == 0)
    #expect(addresses.used.rawValue % 4 == 0)
    let buffer = rig.ring.buffer
    let parts = (
      buffer.slice(at: 0, byteCount: 16 * size), buffer.slice(at: 2048, byteCount: 2048),
      buffer.slice(at: 2048, byteCount: 2048)
    )
    guard size == 4 else { return }
    for (offset, alignment) in [(8, 16), (1, 2), (2, 4)] {
      let bad = buffer.slice(at: 1024 + offset, byteCount: 1024)
      let error = ConfigurationError.misaligned(bad.address, alignment: alignment)
      #expect(throws: error) {
        try SplitRing(
          descriptors: alignment == 16 ? bad : parts.0, available: alignment == 2 ? bad : parts.1,
          used: alignment == 4 ? bad : parts.2, size: size)
      }
    }
  }

  @Test("S2: device-writable descriptors come after device-readable ones")
  func s2() throws {
    let rig = try Rig(.split, size: 8)
    try chain(rig, 2, 3)
    let view = try rig.split
    let writes = slots(view, from: view[available: 0]).map { view[descriptor: Int($0)].flags & 2 != 0 }
    #expect(writes == [false, false, true, true, true])
  }

  @Test("S3: a descriptor for each segment and no more, one for a chain with a table")
  func s3() throws {
    let rig = try Rig(.split, size: 8)
    try chain(rig, 2, 1)
    #expect(rig.driver.freeDescriptorCount == 5)
    #expect(slots(try rig.split, from: try rig.split[available: 0]).count == 3)
    let other = try Rig(.split, size: 8, features: .indirectDescriptors, indirectCapacity: 4)
    try chain(other, 2, 1)
    #expect(other.driver.freeDescriptorCount == 7)
  }

  @Test("S4, S8: chains end, have no loop, and are no longer than the queue")
  func s4() throws {
    let rig = try Rig(.split, size: 8)
    let view = try rig.split
    for count in 1...8 {
      try chain(rig, count, 0)
      let walked = slots(view, from: view[available: Int(view.availableIndex) % 8])
      #expect(walked.count == count && Set(walked).count == count)
      rig.driver.publish()
      rig.device.complete(try rig.device.fetch())
      rig.device.publish()
      _ = try rig.driver.nextUsed()
    }
  }

  @Test("S5: in order, next is the following descriptor, and 0 for the table's last")
  func s5() throws {
    let rig = try Rig(.split, size: 8, features: .inOrder)
    let view = try rig.split
    var expected: UInt16 = 0
    for round in 0..<40 {
      let count = 1 + round % 5
      try chain(rig, count, 0)
      let walked = slots(view, from: view[available: round % 8])
      #expect(walked == (0..<count).map { (expected + UInt16($0)) % 8 })
      expected = (expected + UInt16(count)) % 8
      rig.driver.publish()
      rig.device.complete(try rig.device.fetch())
      rig.device.publish()
      #expect(try rig.driver.nextUsed() != nil)
    }
  }

  @Test("S6: INDIRECT only where it was negotiated", arguments: [false, true])
  func s6(negotiated: Bool) throws {
    let rig = try Rig(.split, size: 8, features: negotiated ? .indirectDescriptors : [], indirectCapacity: 8)
    try chain(rig, 2, 2)
    #expect(try rig.split[descriptor: 0].flags & 4 == (negotiated ? 4 : 0))
  }

  @Test("S7, S9, S10: a table is never nested, its descriptor has no NEXT, its entries follow each other")
  func tables() throws {
    let rig = try Rig(.split, size: 8, features: [.indirectDescriptors, .inOrder], indirectCapacity: 8)
    let view = try rig.split
    for round in 0..<9 {
      try chain(rig, 2, 3)
      let slot = round % 8
      #expect(view[descriptor: slot].flags == 4)
      #expect(view[descriptor: slot].len == 80)
      let offset = Int(view[descriptor: slot].addr - rig.tables.buffer.address.rawValue)
      #expect(offset == slot * 128)
      for i in 0..<5 {
        let entry = unsafe rig.tables.buffer.bytes.load(fromByteOffset: offset + 16 * i, as: vring_desc.self)
        #expect(entry.addr == rig.address(64 * i) && entry.len == 40)
        #expect(entry.flags == (i < 2 ? 0 : 2) | (i < 4 ? 1 : 0))
        #expect(entry.next == (i < 4 ? UInt16(i + 1) : 0))
      }
      rig.driver.publish()
      rig.device.complete(try rig.device.fetch())
      rig.device.publish()
      #expect(try rig.driver.nextUsed() != nil)
    }
  }

  @Test("S11: the available index moves on by what was published, past 65,535 too, and never back")
  func s11() throws {
    let rig = try Rig(.split, size: 4)
    let view = try rig.split
    try Exchange(rig).run(65_532)
    var index = view.availableIndex
    for count in [1, 3, 2, 4, 1] {
      for _ in 0..<count { #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 0) == .added) }
      #expect(view.availableIndex == index)
      rig.driver.publish()
      index &+= UInt16(count)
      #expect(view.availableIndex == index)
      rig.driver.publish()
      #expect(view.availableIndex == index, "publishing nothing changes nothing")
      try Exchange(rig).serve(count)
      while try rig.driver.nextUsed() != nil {}
    }
  }

  @Test(
    "S12, S13: the available flags are 0 or 1 without EVENT_IDX, 0 with it; used_event names what is awaited",
    arguments: [false, true])
  func availableFlags(hasEvent: Bool) throws {
    let rig = try Rig(.split, size: 4, features: hasEvent ? .eventIndex : [])
    let view = try rig.split
    for round in 0..<6 {
      rig.driver.disableNotifications()
      #expect(view.availableFlags == (hasEvent ? 0 : 1))
      _ = rig.driver.enableNotifications()
      #expect(view.availableFlags == 0)
      #expect(view.usedEvent == (hasEvent ? UInt16(round) : 0))
      try Exchange(rig).run(1)
    }
  }

  @Test("S14, S30, P5: a notification without cause is harmless", arguments: RingLayout.allCases)
  func s14(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    for _ in 0..<5 {
      // Rung and woken, both ends look and find nothing.
      #expect(try rig.driver.nextUsed() == nil)
      #expect(try rig.driver.reclaim().isEmpty)
      #expect(try rig.device.fetchAll().isEmpty)
      #expect(!rig.driver.enableNotifications() && !rig.device.enableNotifications())
      try Exchange(rig).run(3)
    }
  }

  @Test(
    "S15: what a completion tells is the used length, whatever the buffer could take", arguments: RingLayout.allCases)
  func s15(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    for written in [0, 1, 39, 40] {
      #expect(try rig.driver.add(rig.segment(at: 0, 40), .deviceWritable, token: 3) == .added)
      rig.driver.publish()
      rig.device.complete(try rig.device.fetch(), written: UInt32(written))
      rig.device.publish()
      #expect(try rig.driver.nextUsed() == Completion(token: 3, writtenByteCount: UInt32(written)))
    }
  }

  @Test("S16: the used flags, and all else, start at 0, and again after a reset", arguments: RingLayout.allCases)
  func s16(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    func isZero() throws -> Bool {
      let bytes =
        layout == .split ? SplitRing.byteCount(size: 4) : PackedRing.byteCount(size: 4)
      return unsafe rig.ring.buffer.bytes[..<bytes].allSatisfy { $0 == 0 }
    }
    #expect(try isZero())
    try Exchange(rig).run(3)
    #expect(try !isZero())
    _ = try rig.driver.reset()
    #expect(try isZero())
  }

  @Test("S17: without EVENT_IDX flag 1 says no, 0 says yes, and avail_event says nothing")
  func s17() throws {
    let rig = try Rig(.split, size: 4)
    let view = try rig.split
    for (flags, event) in [(0, 0), (1, 0), (0, 77), (1, 1), (2, 9)] as [(UInt16, UInt16)] {
      view.usedFlags = flags
      view.availableEvent = event
      try Exchange(rig).offer(1)
      #expect(rig.driver.isNotificationDue() == (flags & 1 == 0))
      try Exchange(rig).serve(1)
      _ = try rig.driver.nextUsed()
    }
  }

  @Test("S18: with EVENT_IDX the flag says nothing; due exactly when the index crossed avail_event", arguments: [0, 1])
  func s18(flag: Int) throws {
    let rig = try Rig(.split, size: 4, features: .eventIndex)
    let view = try rig.split
    for index in 0..<12 as Range<UInt16> {
      view.usedFlags = UInt16(flag)
      view.availableEvent = index % 3 == 0 ? index : index &- 1
      try Exchange(rig).offer(1)
      #expect(rig.driver.isNotificationDue() == (index % 3 == 0))
      try Exchange(rig).serve(1)
      _ = try rig.driver.nextUsed()
    }
  }
}
