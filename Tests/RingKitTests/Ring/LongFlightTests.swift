import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("A buffer that stays in flight while 65,536 others go round")
struct LongFlightTests {
  /// The first buffer is held by the device, the others have gone round, and one more is added but not published: it
  /// has the first one's number, modulo 65,536.
  private func rig(_ layout: RingLayout) throws -> (rig: Rig, held: DeviceChain) {
    let rig = try Rig(layout, size: 4)
    #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 1000) == .added)
    rig.driver.publish()
    let held = try rig.device.fetch()
    for _ in 0..<65_535 / 3 { try Exchange(rig).goRound(3) }
    #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 2000) == .added)
    return (rig, held)
  }

  @Test("is returned, though a buffer not yet published has the same number", arguments: RingLayout.allCases)
  func returned(layout: RingLayout) throws {
    let (rig, held) = try rig(layout)
    rig.device.complete(held)
    rig.device.publish()
    #expect(try rig.driver.nextUsed() == Completion(token: 1000, writtenByteCount: 0))
    rig.driver.publish()
    rig.device.complete(try rig.device.fetch())
    rig.device.publish()
    #expect(try rig.driver.nextUsed() == Completion(token: 2000, writtenByteCount: 0))
  }

  @Test("does not lend its number to a buffer not yet published", arguments: RingLayout.allCases)
  func notPublished(layout: RingLayout) throws {
    for named in 0..<4 as Range<UInt16> {
      let (rig, held) = try rig(layout)
      // Of four slots one is held, one unpublished, two free: only the held one may be used, whichever is named.
      if layout == .split {
        let view = try rig.split
        view[used: Int(view.usedIndex) % 4] = vring_used_elem(id: UInt32(named), len: 0)
        view.usedIndex &+= 1
      } else {
        // 65,535 descriptors were used: the next used position is 3, on a lap whose flags are 0.
        try rig.packed[descriptor: 3] = vring_packed_desc(addr: 0, len: 0, id: named, flags: 0)
      }
      if named == held.id {
        #expect(try rig.driver.nextUsed() == Completion(token: 1000, writtenByteCount: 0))
      } else {
        let rule: RingRule = layout == .split ? .s27 : .p18
        #expect(
          rig.driver.failure { _ = try $0.nextUsed() } == .violation(violation(rule, .notInFlight, UInt64(named))))
        #expect(try rig.driver.reset().sorted() == [1000, 2000])
      }
    }
  }
}
