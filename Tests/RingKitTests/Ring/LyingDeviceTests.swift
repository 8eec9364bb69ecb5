import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("A driver's answer to a device that lies")
struct LyingDeviceTests {
  /// Two buffers in flight, slots 0 and 1: 64 bytes to write, 64 to read; a third that was not published.
  private func rig(_ layout: RingLayout, _ features: VirtioFeatures = []) throws -> Rig {
    let rig = try Rig(layout, .faultInjecting, size: 8, features: features)
    try Exchange(rig).offer(2, firstToken: 100)
    #expect(try rig.driver.add(rig.segment(at: 512, 8), .deviceReadable, token: 102) == .added)
    return rig
  }

  private func check(_ rig: Rig, _ expected: RingViolation) throws {
    #expect(rig.driver.failure { _ = try $0.nextUsed() } == .violation(expected))
    try expectBroken(rig, tokens: [100, 101, 102])
  }

  private func expectBroken(_ rig: Rig, tokens: [UInt64]) throws {
    #expect(rig.driver.isBroken)
    #expect(rig.driver.failure { _ = try $0.nextUsed() } == .broken)
    #expect(rig.driver.failure { _ = try $0.reclaim() } == .broken)
    #expect(rig.driver.failure { _ = try $0.add(rig.segment(at: 0, 8), .deviceReadable, token: 1) } == .broken)
    let segments = [rig.segment(at: 0, 8)]
    #expect(rig.driver.failure { _ = try $0.add(readable: segments, writable: [], token: 1) } == .broken)
    #expect(try rig.driver.reset() == tokens)
    #expect(try rig.audit().isEmpty)
    rig.device.reset()
    try Exchange(rig).run(20)
  }

  @Test("S27: the used index is further ahead than what is in flight", arguments: [3, 8, 32_768, 65_535])
  func usedIndex(_ index: Int) throws {
    let rig = try rig(.split)
    try rig.split.usedIndex = UInt16(index)
    try check(rig, violation(.s27, .index, UInt64(index), limit: 2))
  }

  @Test("S27: an id outside the table", arguments: [8, 9, 0xffff, 0x1_0000, 0xffff_ffff])
  func usedIdentifier(_ id: Int) throws {
    let rig = try rig(.split)
    try rig.split[used: 0] = vring_used_elem(id: UInt32(id), len: 0)
    try rig.split.usedIndex = 1
    try check(rig, violation(.s27, .identifier, UInt64(id), limit: 8))
  }

  @Test("S27: an id that is not in flight, or not published yet", arguments: [2, 7])
  func notInFlight(_ id: Int) throws {
    let rig = try rig(.split)
    try rig.split[used: 0] = vring_used_elem(id: UInt32(id), len: 0)
    try rig.split.usedIndex = 1
    try check(rig, violation(.s27, .notInFlight, UInt64(id)))
  }

  @Test("S27: the same id twice, and one from the middle of a chain")
  func twice() throws {
    let rig = try Rig(.split, .faultInjecting, size: 8)
    let segments = (0..<3).map { rig.segment(at: 64 * $0, 8) }
    #expect(try rig.driver.add(readable: segments, writable: [], token: 1) == .added)
    #expect(try rig.driver.add(segments[0], .deviceReadable, token: 2) == .added)
    rig.driver.publish()
    let view = try rig.split
    view[used: 0] = vring_used_elem(id: 3, len: 0)
    view[used: 1] = vring_used_elem(id: 3, len: 0)
    view.usedIndex = 2
    #expect(try rig.driver.nextUsed() == Completion(token: 2, writtenByteCount: 0))
    #expect(rig.driver.failure { _ = try $0.nextUsed() } == .violation(violation(.s27, .notInFlight, 3)))
    try expectBroken(rig, tokens: [1])
    #expect(try rig.driver.add(readable: segments, writable: [], token: 1) == .added)
    rig.driver.publish()
    let head = UInt32(view[available: Int(view.availableIndex &- 1) % 8])
    let middle = (head + 1) % 8
    view[used: Int(view.usedIndex) % 8] = vring_used_elem(id: middle, len: 0)
    view.usedIndex &+= 1
    #expect(rig.driver.failure { _ = try $0.nextUsed() } == .violation(violation(.s27, .notInFlight, UInt64(middle))))
    try expectBroken(rig, tokens: [1])
  }

  @Test("S28: more is written than the buffer can take", arguments: [0, 1])
  func usedLength(_ id: Int) throws {
    let rig = try rig(.split)
    let capacity = id == 0 ? 64 : 0
    try rig.split[used: 0] = vring_used_elem(id: UInt32(id), len: UInt32(capacity + 1))
    try rig.split.usedIndex = 1
    try check(rig, violation(.s28, .length, UInt64(capacity + 1), limit: UInt64(capacity)))
  }

  @Test("S27: in order, an id further ahead than the used index says")
  func inOrder() throws {
    let rig = try rig(.split, .inOrder)
    try rig.split[used: 0] = vring_used_elem(id: 1, len: 0)
    try rig.split.usedIndex = 1
    try check(rig, violation(.s27, .identifier, 1, limit: 1))
  }

  @Test("P18: an id outside the ring, or not in flight, or not published yet", arguments: [2, 7, 8, 0xffff])
  func packedIdentifier(_ id: Int) throws {
    for features in [[], [.inOrder]] as [VirtioFeatures] {
      let rig = try rig(.packed, features)
      try rig.packed.use(0, id: UInt16(id), length: 0)
      let expected =
        id < 8
        ? violation(.p18, .notInFlight, UInt64(id)) : violation(.p18, .identifier, UInt64(id), limit: 8)
      try check(rig, expected)
    }
  }

  @Test("P21: more is written than the buffer can take, but a length without WRITE is ignored")
  func packedLength() throws {
    let rig = try rig(.packed)
    try rig.packed.use(0, id: 1, length: 1)
    try check(rig, violation(.p21, .length, 1, limit: 0))
    let other = try self.rig(.packed)
    try other.packed.use(0, id: 0, length: 65)
    try check(other, violation(.p21, .length, 65, limit: 64))
    let third = try self.rig(.packed)
    try third.packed.use(0, id: 0, length: 65)
    try third.packed[descriptor: 0].flags &= ~UInt16(CPEER_FLAG_WRITE.rawValue)
    #expect(try third.driver.nextUsed() == Completion(token: 100, writtenByteCount: 0))
  }

  @Test("P18: the same id twice")
  func packedTwice() throws {
    let rig = try rig(.packed)
    try rig.packed.use(0, id: 1, length: 0)
    try rig.packed.use(1, id: 1, length: 0)
    #expect(try rig.driver.nextUsed() == Completion(token: 101, writtenByteCount: 0))
    #expect(rig.driver.failure { _ = try $0.nextUsed() } == .violation(violation(.p18, .notInFlight, 1)))
    try expectBroken(rig, tokens: [100, 102])
  }

  @Test("P18: with nothing in flight nothing is used, whatever the ring says", arguments: RingLayout.allCases)
  func idle(layout: RingLayout) throws {
    let rig = try Rig(layout, size: 4)
    if layout == .packed {
      for slot in 0..<4 { try rig.packed.use(slot, id: UInt16(slot), length: 9) }
      #expect(try rig.driver.nextUsed() == nil)
    } else {
      try rig.split.usedIndex = 1
      #expect(rig.driver.failure { _ = try $0.nextUsed() } == .violation(violation(.s27, .index, 1)))
    }
  }

  @Test("what was collected before the lie is not lost", arguments: RingLayout.allCases)
  func collectedBefore(layout: RingLayout) throws {
    let rig = try rig(layout)
    if layout == .split {
      try rig.split[used: 0] = vring_used_elem(id: 0, len: 64)
      try rig.split[used: 1] = vring_used_elem(id: 77, len: 0)
      try rig.split.usedIndex = 2
    } else {
      try rig.packed.use(0, id: 0, length: 64)
      try rig.packed.use(1, id: 77, length: 0)
    }
    #expect(rig.driver.failure { _ = try $0.reclaim() } != nil)
    #expect(rig.driver.lastCompletions == [Completion(token: 100, writtenByteCount: 64)])
    #expect(try rig.driver.reset() == [101, 102])
  }
}
