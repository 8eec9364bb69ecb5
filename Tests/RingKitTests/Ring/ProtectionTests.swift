import CPeer
import RingKit
import RingKitTestSupport
import Testing

@Suite("What the device may not reach")
struct ProtectionTests {
  /// An address that leads nowhere, or nowhere any more.
  private static func forbidden(_ rig: Rig, stale: UInt64) -> [UInt64] {
    let ownAddress = rig.payload.buffer.address.rawValue
    // A bounce slot stays where it is when its buffer has gone, and a mapping made once stays: theirs is never stale.
    return rig.path.forgetsAddresses ? [stale, ownAddress, 1 << 40, .max - 4095] : [ownAddress, 1 << 40, .max - 4095]
  }

  @Test("an access outside what is mapped faults on every path that claims protection", arguments: DMAPath.protecting)
  func outside(path: DMAPath) throws {
    for layout in RingLayout.allCases {
      for number in 0..<4 {
        let rig = try Rig(layout, path, size: 8, payloadByteCount: 65_536)
        // Used, given back, and flushed: what the device knew of it is of no use any more.
        #expect(try rig.driver.add(rig.segment(at: 0, 64), .deviceReadable, token: 1) == .added)
        rig.driver.publish()
        let stale = try layout == .split ? rig.split[descriptor: 0].addr : rig.packed[descriptor: 0].addr
        try Exchange(rig).serve(1)
        #expect(try rig.driver.nextUsed()?.token == 1)
        try rig.driver.flush()
        let wrong = Self.forbidden(rig, stale: stale)
        guard number < wrong.count else { continue }
        // Three pages: an address range of another class, so that the old one is not at once somebody's again.
        // A shadow buffer is shorter, and keeps its address anyway.
        let length = path == .shadow ? Rig.shadowByteCount : 12_288
        rig.fill(4096, length, 2)
        #expect(try rig.driver.add(rig.segment(at: 4096, length), .deviceReadable, token: 2) == .added)
        rig.driver.publish()
        let descriptors = Scribbler(try rig.areas[0])
        descriptors.store(wrong[number], at: 16)
        // As short as the first, so that nothing but its own page can be what faults.
        descriptors.store(layout == .split ? 64 : 64 | 1 << 32 | 0x80 << 48, at: 16 + 8)
        guard case .fault = rig.device.failure() else {
          Issue.record("\(layout): 0x\(String(wrong[number], radix: 16)) was let through")
          continue
        }
        #expect(rig.device.isBroken && rig.holds(4096, length, 2) && rig.payload.isIntact)
        // The driver lives, gets its buffer back, and goes on with a device that was reset.
        #expect(try rig.driver.reset() == [2])
        rig.device.reset()
        try Exchange(rig).run(20)
        #expect(try rig.audit() == [])
      }
    }
  }

  @Test("what may only be read is not written", arguments: DMAPath.protecting.filter(\.checksDirection))
  func direction(path: DMAPath) throws {
    for layout in RingLayout.allCases {
      let rig = try Rig(layout, path, size: 8)
      rig.fill(0, 64, 3)
      #expect(try rig.driver.add(rig.segment(at: 0, 64), .deviceReadable, token: 1) == .added)
      rig.driver.publish()
      // The packed descriptor's AVAIL flag is that of the first lap, its id is 0.
      let word: UInt64 = layout == .split ? 64 | 2 << 32 : 64 | 0x82 << 48
      Scribbler(try rig.areas[0]).store(word, at: 8)
      guard case .fault(.notPermitted(_, .deviceWritable)) = rig.device.failure() else {
        Issue.record("\(layout): a device-readable buffer was handed out for writing")
        continue
      }
      #expect(rig.holds(0, 64, 3))
      #expect(try rig.driver.reset() == [1])
    }
  }
}
