import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("What a queue tells its mapper of the bytes the device wrote")
struct WrittenLengthTests {
  private static let featureSets: [VirtioFeatures] = [[], [.inOrder], [.indirectDescriptors], [.eventIndex, .inOrder]]
  private typealias Told = FaultPlan.Told

  @Test("the used length fills a chain's writable segments in order", arguments: RingLayout.allCases)
  func chains(layout: RingLayout) throws {
    for features in Self.featureSets {
      let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 6)
      for (readable, writable) in [(1, 0), (0, 1), (2, 0), (0, 3), (2, 3), (1, 1)] {
        for written in [0, 1, 39, 40, 41, 80, 119, 120].filter({ $0 <= 40 * writable }) {
          let segments = (0..<readable + writable).map { rig.segment(at: 64 * $0, 40) }
          #expect(
            try rig.driver.add(
              readable: Array(segments[..<readable]), writable: Array(segments[readable...]), token: 1) == .added)
          rig.driver.publish()
          rig.device.complete(try rig.device.fetch(), written: UInt32(written))
          rig.device.publish()
          rig.plan.told = []
          _ = try #require(try rig.driver.nextUsed())
          var expected = [Told](repeating: Told(isWritable: false, written: 0), count: readable)
          if features.contains(.indirectDescriptors), readable + writable > 1 {
            expected.insert(Told(isWritable: false, written: 0), at: 0)
          }
          for i in 0..<writable {
            expected.append(Told(isWritable: true, written: UInt32(max(written - 40 * i, 0))))
          }
          #expect(rig.plan.told == expected, "\(features): \(readable) + \(writable), \(written) written")
        }
      }
    }
  }

  @Test("each buffer of a batch has its own; skipped ones count as used completely", arguments: RingLayout.allCases)
  func batches(layout: RingLayout) throws {
    for features in Self.featureSets {
      for atOnce in [true, false] {
        let rig = try Rig(layout, .faultInjecting, size: 8, features: features)
        // Started in the middle, so that the batch goes over the ring's end.
        try Exchange(rig).run(5)
        try Exchange(rig).offer(6)
        for (i, chain) in try rig.device.fetchAll().enumerated() {
          rig.device.complete(chain, written: i % 2 == 0 ? UInt32(10 + i) : 0)
        }
        rig.device.publish()
        rig.plan.told = []
        var lengths: [UInt32] = []
        if atOnce {
          lengths = try rig.driver.reclaim().map(\.writtenByteCount)
        } else {
          while let completion = try rig.driver.nextUsed() { lengths.append(completion.writtenByteCount) }
        }
        #expect(lengths.count == 6)
        #expect(rig.plan.told.map(\.written) == lengths, "the mapper and the caller are told the same: \(features)")
        #expect(rig.plan.told.map(\.isWritable) == [true, false, true, false, true, false])
        if !features.contains(.inOrder) { #expect(lengths == [10, 0, 12, 0, 14, 0]) }
      }
    }
  }

  @Test("a buffer the device did not return counts as not written", arguments: RingLayout.allCases)
  func abandoned(layout: RingLayout) throws {
    for features in Self.featureSets {
      let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 3)
      let segments = (0..<3).map { rig.segment(at: 64 * $0, 40) }
      rig.plan.failingMap = 3
      rig.plan.told = []
      #expect(rig.driver.failure { _ = try $0.add(readable: [], writable: segments, token: 1) } != nil)
      #expect(rig.plan.told == [Told](repeating: Told(isWritable: true, written: 0), count: 2), "a chain given up")
      rig.plan.failingMap = nil
      try Exchange(rig).offer(1)
      rig.plan.told = []
      #expect(try rig.driver.reset() == [0])
      #expect(rig.plan.told == [Told(isWritable: true, written: 0)], "a reset")
    }
  }
}
