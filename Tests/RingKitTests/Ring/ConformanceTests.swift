import RingKit
import RingTestSupport
import Testing

@Suite("Conformance: layout × features × path")
struct ConformanceTests {
  @Test("chains of every shape carry their bytes both ways, with the written length", arguments: DMAPath.plain)
  func shapes(path: DMAPath) throws { try Conformance.shapes(on: path) }

  @Test("batches of every size, completed in any order the ring allows", arguments: DMAPath.plain)
  func batches(path: DMAPath) throws { try Conformance.batches(on: path) }

  @Test(
    "a full ring is a value: nothing is mapped, and it goes on when one buffer is back", arguments: DMAPath.plain)
  func full(path: DMAPath) throws { try Conformance.fullRing(on: path) }

  @Test("indices wrap at 65,536 and descriptors at the ring's end", arguments: RingLayout.allCases)
  func wrap(layout: RingLayout) throws {
    for features in Conformance.featureSets {
      let rig = try Rig(layout, size: layout == .split ? 8 : 7, features: features)
      try Exchange(rig).run(65_530)
      var sequence: UInt64 = 1
      for _ in 0..<20 {
        for shape in [(1, 0), (0, 1), (2, 2), (1, 3)] {
          try Trip(rig, sequence, readable: shape.0, writable: shape.1, written: 20 * shape.1).run()
          sequence += 1
        }
      }
      if layout == .split { #expect(try rig.split.usedIndex == UInt16(truncatingIfNeeded: 65_530 + 80)) }
    }
  }

  @Test("every size a ring may have", arguments: RingLayout.allCases)
  func sizes(layout: RingLayout) throws {
    let sizes = layout == .split ? [1, 2, 4, 1024, 32_768] : [1, 2, 3, 1000, 32_767, 32_768]
    for size in sizes {
      for features in [[], [.inOrder]] as [VirtioFeatures] {
        let rig = try Rig(layout, size: size, features: features, payloadByteCount: 4096)
        for _ in 0..<2 { try Exchange(rig).run(size + 1) }
        let chain = (0..<size).map { rig.segment(at: $0 % 64, 1) }
        #expect(try rig.driver.add(readable: chain, writable: [], token: 5) == .added)
        #expect(rig.driver.freeDescriptorCount == 0)
        rig.driver.publish()
        try Exchange(rig).serve(1)
        #expect(try rig.driver.nextUsed() == Completion(token: 5, writtenByteCount: 0))
        #expect(rig.driver.freeDescriptorCount == size)
      }
    }
  }

  @Test("a chain that can never fit is refused, and so is one of more than 2^32 bytes", arguments: RingLayout.allCases)
  func impossible(layout: RingLayout) throws {
    for features in [[], [.indirectDescriptors]] as [VirtioFeatures] {
      let rig = try Rig(layout, .faultInjecting, size: 4, features: features, indirectCapacity: 4)
      let five = (0..<5).map { rig.segment(at: 8 * $0, 8) }
      #expect(
        rig.driver.failure { _ = try $0.add(readable: five, writable: [], token: 1) }
          == .invalidChain(segments: 5, maximum: 4))
      #expect(
        rig.driver.failure { _ = try $0.add(readable: [], writable: [], token: 1) }
          == .invalidChain(segments: 0, maximum: 4))
      let huge = MemorySegment(GuestPhysicalAddress(0), length: .max)
      #expect(
        rig.driver.failure { _ = try $0.add(readable: [huge], writable: [huge], token: 1) }
          == .chainTooLarge(byteCount: 2 * UInt64(UInt32.max)))
      let empty = rig.segment(at: 0, 0)
      #expect(
        rig.driver.failure { _ = try $0.add(empty, .deviceReadable, token: 1) } == .mapping(.outOfBounds(empty)))
      #expect(
        rig.driver.failure { _ = try $0.add(readable: [five[0]], writable: [empty], token: 1) }
          == .mapping(.outOfBounds(empty)))
      #expect(!rig.driver.isBroken && rig.driver.freeDescriptorCount == 4)
      #expect(try rig.audit() == [])
      try Exchange(rig).run(9)
    }
  }

  @Test("a reset returns every token once, oldest first, and unmaps", arguments: DMAPath.plain)
  func reset(path: DMAPath) throws { try Conformance.reset(on: path) }

  @Test(
    "an access outside what is mapped faults on every path that claims protection",
    arguments: DMAPath.plain.filter { $0.protection != .none })
  func outside(path: DMAPath) throws { try Conformance.accessOutside(on: path) }
}
