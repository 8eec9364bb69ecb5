internal import CPeer
package import RingKit
internal import RingKitTesting
internal import Testing

/// What holds on every path, layout and set of features: checks that the test target of each module runs over its
/// paths.
package enum Conformance {
  package static let featureSets: [VirtioFeatures] = [
    [], [.inOrder], [.indirectDescriptors], [.eventIndex],
    [.inOrder, .indirectDescriptors, .eventIndex, .orderPlatform],
  ]

  private static func everywhere(_ body: (RingLayout, VirtioFeatures) throws -> Void) rethrows {
    for layout in RingLayout.allCases {
      for features in featureSets { try body(layout, features) }
    }
  }

  /// Chains of every shape carry their bytes both ways, with the written length.
  package static func shapes(on path: DMAPath) throws {
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

  /// Batches of every size, completed in any order that the ring allows.
  package static func batches(on path: DMAPath) throws {
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

  /// A full ring is a value: nothing is mapped, and it goes on when one buffer is back.
  package static func fullRing(on path: DMAPath) throws {
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

  /// A reset returns every token once, oldest first, and unmaps.
  package static func reset(on path: DMAPath) throws {
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

  /// Every way of adding, serving and reclaiming, mixed at random.
  package static func mixedBatches(on path: DMAPath) throws {
    var seeds = SeededGenerator(for: "mixed batches on \(path.name)")
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

  /// An address that leads nowhere, or nowhere any more.
  private static func forbidden(_ rig: Rig, stale: UInt64) -> [UInt64] {
    let ownAddress = rig.payload.buffer.address.rawValue
    // A bounce slot stays where it is when its buffer has gone, and a mapping made once stays: theirs is never stale.
    return rig.path.protection == .mapping
      ? [stale, ownAddress, 1 << 40, .max - 4095] : [ownAddress, 1 << 40, .max - 4095]
  }

  /// An access outside what is mapped faults on a path that claims protection.
  package static func accessOutside(on path: DMAPath) throws {
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
        // Three pages: an address range of another class, so that the old one is not reused at once.
        // A shadow buffer is shorter, and keeps its address anyway.
        let length = min(12_288, path.longestSegment)
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

  /// What may only be read is not written.
  package static func direction(on path: DMAPath) throws {
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
