import RingKit
import RingKitTestSupport
import Testing

@Suite("Batches: many at once is the same as one by one")
struct BatchTests {
  @Test("every way of adding, serving and reclaiming, mixed at random", arguments: DMAPath.allCases)
  func mixed(path: DMAPath) throws {
    var seeds = SeededGenerator(for: "mixed batches on \(path.rawValue)")
    for layout in RingLayout.allCases {
      for size in layout == .split ? [1, 2, 8, 32] : [1, 3, 7, 8, 33] {
        for features: VirtioFeatures in [[], [.inOrder], [.indirectDescriptors], [.inOrder, .indirectDescriptors]] {
          let rig = try Rig(layout, path, size: size, features: features)
          let model = BatchModel(rig, inOrder: features.contains(.inOrder), seed: seeds.next())
          for _ in 0..<400 { try model.step() }
          try model.drain()
          #expect(model.reclaimed > 0)
          #expect(rig.driver.freeDescriptorCount == size, "\(layout), \(size), \(features)")
          #expect(rig.driver.inFlightCount == 0 && rig.device.inFlightCount == 0)
          #expect(try rig.audit() == [], "\(layout), \(size), \(features)")
        }
      }
    }
  }

  struct Stop: Error {}

  @Test("a device whose code throws keeps that buffer; those before it are published")
  func bodyThrows() throws {
    for layout in RingLayout.allCases {
      for features: VirtioFeatures in [[], [.inOrder]] {
        let rig = try Rig(layout, size: 8, features: features)
        try Exchange(rig).offer(5)
        var seen = 0
        #expect(throws: ServeError<any Error>.self) {
          _ = try rig.device.serve(atMost: 8) { _, _ in
            seen += 1
            if seen == 3 { throw Stop() }
            return 0
          }
        }
        #expect(rig.device.inFlightCount == 1)
        #expect(try rig.driver.reclaim().map(\.token) == [0, 1])
        #expect(!rig.device.isBroken)
      }
    }
  }

  @Test("a mapping that fails in a batch leaves those before it added")
  func mappingFails() throws {
    for layout in RingLayout.allCases {
      let rig = try Rig(layout, .poisoning, size: 8)
      let outside = MemorySegment(GuestPhysicalAddress(0xdead_0000_0000), length: 16)
      let error = rig.driver.failure { driver in
        _ = try driver.add(atMost: 5, .deviceReadable) { i in
          (segment: i == 3 ? outside : rig.segment(at: 128 * i, 16), token: UInt64(i))
        }
      }
      #expect(error == .mapping(.outOfBounds(outside)))
      #expect(rig.driver.inFlightCount == 3)
      rig.driver.publish()
      try Exchange(rig).serve(3)
      #expect(try rig.driver.reclaim().map(\.token) == [0, 1, 2])
      #expect(try rig.audit() == [])
    }
  }
}
