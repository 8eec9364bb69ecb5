import CPeer
import RingKit
import RingKitTesting
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

  @Test(
    "split: the error names rule and value, and the queue is broken", arguments: Lie<DeviceStage>.all(isPacked: false))
  func split(_ lie: Lie<DeviceStage>) throws { try check(.split, lie) }

  @Test(
    "packed: the error names rule and value, and the queue is broken", arguments: Lie<DeviceStage>.all(isPacked: true))
  func packed(_ lie: Lie<DeviceStage>) throws { try check(.packed, lie) }

  private func check(_ layout: RingLayout, _ lie: Lie<DeviceStage>) throws {
    for variation in [0, 1, 7, 0xfff8, 0xffff_fff0, Int(Int32.max)] {
      let rig = try rig(layout, lie.features)
      let expected = lie.tell(DeviceStage(try rig.ringMemory, position: 0, variation: variation))
      var back: [UInt64] = []
      #expect(rig.driver.failure { while let done = try $0.nextUsed() { back.append(done.token) } } == expected)
      try expectBroken(rig, tokens: [100, 101, 102].filter { !back.contains($0) })
    }
  }

  @Test("S27, P18: an id that is not published yet", arguments: [[], .inOrder] as [VirtioFeatures])
  func unpublished(_ features: VirtioFeatures) throws {
    let rig = try rig(.split, features)
    try rig.split[used: 0] = vring_used_elem(id: 2, len: 0)
    try rig.split.usedIndex = 1
    try check(rig, violation(.s27, .notInFlight, 2))
    let other = try self.rig(.packed, features)
    try other.packed.use(0, id: 2, length: 0)
    try check(other, violation(.p18, .notInFlight, 2))
  }

  @Test("S28: more is written than the buffer can take that has no room at all")
  func usedLength() throws {
    let rig = try rig(.split)
    try rig.split[used: 0] = vring_used_elem(id: 1, len: 1)
    try rig.split.usedIndex = 1
    try check(rig, violation(.s28, .length, 1, limit: 0))
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

  @Test("P21: more is written than the buffer can take; a length without WRITE counts where it fits, as QEMU means it")
  func packedLength() throws {
    let rig = try rig(.packed)
    try rig.packed.use(0, id: 1, length: 1)
    try check(rig, violation(.p21, .length, 1, limit: 0))
    let third = try self.rig(.packed)
    try third.packed.use(0, id: 0, length: 65)
    try third.packed[descriptor: 0].flags &= ~UInt16(CPEER_FLAG_WRITE.rawValue)
    #expect(try third.driver.nextUsed() == Completion(token: 100, writtenByteCount: 0))
    // Each way of taking it back: one by one, in the order of adding, out of order, in order.
    for features: VirtioFeatures in [[], .inOrder] {
      for takesBatch in [false, true] {
        for isFirst in [true, false] where isFirst || features.isEmpty {
          for (length, expected) in [(9, 9), (64, 64), (65, 0)] as [(UInt32, UInt32)] {
            let rig = try Rig(.packed, .poisoning, size: 8, features: features)
            for token in 0..<2 as Range<UInt64> {
              _ = try rig.driver.add(rig.segment(at: 128 * Int(token), 64), .deviceWritable, token: token)
            }
            rig.driver.publish()
            let id: UInt16 = isFirst ? 0 : 1
            try rig.packed.use(0, id: id, length: length)
            try rig.packed[descriptor: 0].flags &= ~UInt16(CPEER_FLAG_WRITE.rawValue)
            let done = takesBatch ? try rig.driver.reclaim() : [try rig.driver.nextUsed()].compactMap { $0 }
            #expect(done == [Completion(token: UInt64(id), writtenByteCount: expected)])
          }
        }
      }
    }
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
