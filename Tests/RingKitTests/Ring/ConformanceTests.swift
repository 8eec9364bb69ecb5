import CPeer
import RingKit
import Testing

@Suite("Conformance: layout × features × path")
struct ConformanceTests {
  private static let featureSets: [VirtioFeatures] = [
    [], [.inOrder], [.indirectDescriptors], [.eventIndex],
    [.inOrder, .indirectDescriptors, .eventIndex, .orderPlatform],
  ]

  private static func everywhere(_ body: (RingLayout, VirtioFeatures) throws -> Void) rethrows {
    for layout in RingLayout.allCases {
      for features in featureSets { try body(layout, features) }
    }
  }

  @Test("chains of every shape carry their bytes both ways, with the written length", arguments: DMAPath.allCases)
  func shapes(path: DMAPath) throws {
    try Self.everywhere { layout, features in
      let rig = try Rig(layout, path, size: 8, features: features, indirectCapacity: 4)
      var sequence: UInt64 = 1
      for readable in 0...4 {
        for writable in 0...4 where readable + writable > 0 {
          for written in [0, 1, writable * 40].filter({ $0 <= writable * 40 }) {
            try Trip(rig, sequence, readable: readable, writable: writable, written: written).run()
            sequence += 1
          }
        }
      }
      #expect(rig.driver.inFlightCount == 0 && rig.device.inFlightCount == 0)
      #expect(rig.driver.freeDescriptorCount == 8)
      #expect(try rig.audit() == [], "\(layout), \(features)")
    }
  }

  @Test("batches of every size, completed in any order the ring allows", arguments: DMAPath.allCases)
  func batches(path: DMAPath) throws {
    try Self.everywhere { layout, features in
      let rig = try Rig(layout, path, size: 8, features: features)
      for batch in 1...8 {
        for order in 0..<(features.contains(.inOrder) ? 1 : 3) {
          try Exchange(rig).offer(batch, firstToken: 10)
          var chains = try rig.device.fetchAll()
          #expect(chains.count == batch)
          if order == 1 { chains.reverse() }
          if order == 2 { chains.sort { $0.id.nonzeroBitCount < $1.id.nonzeroBitCount } }
          for chain in chains { rig.device.complete(chain) }
          #expect(try rig.driver.nextUsed() == nil, "nothing is used before it is published")
          rig.device.publish()
          let tokens = try rig.driver.reclaim().map(\.token)
          #expect(tokens.sorted() == (0..<batch).map { UInt64(10 + $0) })
          if features.contains(.inOrder) { #expect(tokens == tokens.sorted()) }
        }
      }
      #expect(try rig.audit() == [], "\(layout), \(features)")
    }
  }

  @Test(
    "a full ring is a value: nothing is mapped, and it goes on when one buffer is back", arguments: DMAPath.allCases)
  func full(path: DMAPath) throws {
    for layout in RingLayout.allCases {
      for size in layout == .split ? [1, 2, 8] : [1, 3, 8] {
        let rig = try Rig(layout, path, size: size)
        try Exchange(rig).offer(size)
        let maps = rig.driver.counts[.maps]
        #expect(try rig.driver.add(rig.segment(at: 0, 8), .deviceReadable, token: 9) == .full)
        let one = [rig.segment(at: 0, 8)]
        #expect(try rig.driver.add(readable: one, writable: [], token: 9) == .full)
        #expect(rig.driver.counts[.maps] == maps)
        try Exchange(rig).serve(1)
        #expect(try rig.driver.nextUsed()?.token == 0)
        if size > 1 {
          #expect(try rig.driver.add(readable: one, writable: one, token: 9) == .full, "one free, two needed")
        }
        #expect(try rig.driver.add(one[0], .deviceReadable, token: 9) == .added)
        rig.driver.publish()
        try Exchange(rig).serve(size)
        #expect(try rig.driver.reclaim().count == size)
        #expect(try rig.audit() == [])
      }
    }
  }

  @Test("indices wrap at 65,536 and descriptors at the ring's end", arguments: RingLayout.allCases)
  func wrap(layout: RingLayout) throws {
    for features in Self.featureSets {
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

  @Test("a reset returns every token once, oldest first, and unmaps", arguments: DMAPath.allCases)
  func reset(path: DMAPath) throws {
    try Self.everywhere { layout, features in
      let rig = try Rig(layout, path, size: 16, features: features, indirectCapacity: 4)
      for _ in 0..<3 {
        let parts = (0..<2).map { rig.segment(at: 64 * $0, 40) }
        for token in 0..<5 as Range<UInt64> {
          #expect(try rig.driver.add(readable: [parts[0]], writable: [parts[1]], token: token) == .added)
        }
        rig.driver.publish()
        #expect(try rig.driver.add(parts[0], .deviceWritable, token: 5) == .added, "never published")
        let first = try rig.device.fetch()
        _ = try rig.device.fetch()
        rig.device.complete(first)
        rig.device.publish()
        #expect(try rig.driver.nextUsed()?.token == 0)
        #expect(try rig.driver.reset() == [1, 2, 3, 4, 5])
        rig.device.reset()
        #expect(try rig.device.fetchAll().isEmpty)
        #expect(try rig.driver.nextUsed() == nil)
        #expect(rig.driver.inFlightCount == 0 && rig.driver.freeDescriptorCount == 16)
        #expect(try rig.audit() == [], "\(layout), \(features)")
        try Exchange(rig).run(40)
      }
    }
  }
}
