import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("When mapping fails")
struct MappingFailureTests {
  private static let featureSets: [VirtioFeatures] = [[], [.inOrder], [.indirectDescriptors], [.eventIndex, .inOrder]]

  @Test("the k-th map fails: nothing leaks, nothing is visible, the ring goes on", arguments: RingLayout.allCases)
  func mapFails(layout: RingLayout) throws {
    for features in Self.featureSets {
      let hasTables = features.contains(.indirectDescriptors)
      for shape in [(1, 0), (0, 1), (3, 0), (2, 3), (0, 5)] {
        // With a table there is one map more: the table's own.
        let maps = shape.0 + shape.1 + (hasTables && shape.0 + shape.1 > 1 ? 1 : 0)
        for k in 1...maps {
          let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 5)
          // Started in the middle, so that the failing chain goes over the ring's end.
          try Exchange(rig).run(6)
          #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 50) == .added)
          rig.plan.failingMap = rig.plan.maps + k
          rig.plan.mapError = .iovaExhausted(pages: k)
          let segments = (0..<shape.0 + shape.1).map { rig.segment(at: 64 * $0, 40) }
          let error = rig.driver.failure {
            _ = try $0.add(
              readable: Array(segments[..<shape.0]), writable: Array(segments[shape.0...]), token: 51)
          }
          #expect(error == .mapping(.iovaExhausted(pages: k)))
          #expect(!rig.driver.isBroken)
          #expect(rig.plan.outstandingCount == 1, "only the buffer added before is still mapped")
          #expect(rig.driver.inFlightCount == 1 && rig.driver.freeDescriptorCount == 7)
          rig.driver.publish()
          #expect(try rig.device.fetchAll().count == 1)
          #expect(try rig.driver.reset() == [50])
          rig.device.reset()
          try Trip(rig, 9, readable: 2, writable: 2, written: 70).run()
          #expect(try rig.audit() == [], "\(features), \(shape), map \(k)")
        }
      }
    }
  }

  @Test("after a failed map the same queue carries chains on, without a reset", arguments: RingLayout.allCases)
  func goesOn(layout: RingLayout) throws {
    for features in Self.featureSets {
      let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 4)
      for round in 0..<40 {
        rig.plan.failingMap = rig.plan.maps + 1 + round % 4
        let segments = (0..<4).map { rig.segment(at: 64 * $0, 40) }
        #expect(
          rig.driver.failure {
            _ = try $0.add(readable: Array(segments[..<2]), writable: Array(segments[2...]), token: 1)
          } != nil)
        rig.plan.failingMap = nil
        try Trip(rig, UInt64(round), readable: 1 + round % 3, writable: 1, written: 40).run()
      }
      #expect(try rig.audit() == [])
    }
  }

  @Test(
    "an unmap that fails breaks the queue, loses no token and leaks no other mapping", arguments: RingLayout.allCases)
  func unmapFails(layout: RingLayout) throws {
    for features in Self.featureSets {
      for k in 1...4 {
        let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 4)
        let segments = (0..<4).map { rig.segment(at: 64 * $0, 40) }
        for token in [20, 21] as [UInt64] {
          let result = try rig.driver.add(
            readable: Array(segments[..<2]), writable: Array(segments[2...]), token: token)
          #expect(result == .added)
        }
        rig.driver.publish()
        try Exchange(rig).serve(1)
        rig.plan.failingUnmap = k
        rig.plan.unmapError = .invalidationTimedOut(nanoseconds: UInt64(k))
        #expect(
          rig.driver.failure { _ = try $0.nextUsed() } == .mapping(.invalidationTimedOut(nanoseconds: UInt64(k))))
        #expect(rig.driver.isBroken)
        #expect(rig.driver.failure { _ = try $0.nextUsed() } == .broken)
        rig.plan.failingUnmap = nil
        #expect(try rig.driver.reset() == [20, 21], "\(features), unmap \(k)")
        #expect(rig.plan.outstandingCount == 0 && rig.plan.doubleUnmaps == 0)
        rig.device.reset()
        try Exchange(rig).run(20)
        #expect(try rig.driver.reset().isEmpty, "a token is reported once")
      }
    }
  }

  @Test(
    "an unmap that fails in a batch: its buffer is not among the completions, and the reset reports it",
    arguments: RingLayout.allCases)
  func unmapFailsInBatch(layout: RingLayout) throws {
    for features in Self.featureSets {
      for k in 1...4 {
        let rig = try Rig(layout, .faultInjecting, size: 8, features: features, indirectCapacity: 4)
        // Started in the middle, so that the batch goes over the ring's end.
        try Exchange(rig).run(6)
        try Exchange(rig).offer(5, firstToken: 20)
        try Exchange(rig).serve(4)
        rig.plan.failingUnmap = rig.plan.unmaps + k
        rig.plan.unmapError = .invalidationTimedOut(nanoseconds: UInt64(k))
        #expect(
          rig.driver.failure { _ = try $0.reclaim() }
            == .mapping(.invalidationTimedOut(nanoseconds: UInt64(k))))
        #expect(rig.driver.lastCompletions.map(\.token) == Array((20..<25).prefix(k - 1)), "\(features), unmap \(k)")
        rig.plan.failingUnmap = nil
        // IN_ORDER too, whose batch was read and checked before and could go on.
        #expect(rig.driver.failure { _ = try $0.reclaim(atMost: 1) } == .broken)
        #expect(rig.driver.lastCompletions.isEmpty)
        #expect(try rig.driver.reset() == Array((20..<25).dropFirst(k - 1)), "\(features), unmap \(k)")
        #expect(rig.plan.outstandingCount == 0 && rig.plan.doubleUnmaps == 0)
        rig.device.reset()
        try Exchange(rig).run(20)
      }
    }
  }

  @Test(
    "an unmap that fails during a reset is reported, and the queue is reset all the same",
    arguments: RingLayout.allCases)
  func resetFails(layout: RingLayout) throws {
    for features in Self.featureSets {
      let rig = try Rig(layout, .faultInjecting, size: 8, features: features)
      // So that the reset begins elsewhere than at the first slot.
      try Exchange(rig).run(3)
      try Exchange(rig).offer(5)
      rig.plan.failingUnmap = rig.plan.unmaps + 2
      rig.plan.unmapError = .invalidationTimedOut(nanoseconds: 2)
      var tokens: [UInt64] = []
      #expect(
        rig.driver.failure { try $0.reset { tokens.append($0) } } == .mapping(.invalidationTimedOut(nanoseconds: 2)))
      #expect(tokens == [0, 1, 2, 3, 4])
      #expect(rig.plan.outstandingCount == 0 && rig.plan.doubleUnmaps == 0)
      #expect(!rig.driver.isBroken && rig.driver.freeDescriptorCount == 8)
      rig.device.reset()
      try Exchange(rig).offer(4, firstToken: 40)
      try Exchange(rig).serve(4)
      for token in 40..<44 as Range<UInt64> { #expect(try rig.driver.nextUsed()?.token == token) }
      try Exchange(rig).run(20)
    }
  }
}
