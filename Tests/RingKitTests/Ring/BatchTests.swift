import CPeer
import RingKit
import RingTestSupport
import Testing

@Suite("Batches: many at once is the same as one by one")
struct BatchTests {
  @Test("every way of adding, serving and reclaiming, mixed at random", arguments: DMAPath.plain)
  func mixed(path: DMAPath) throws { try Conformance.mixedBatches(on: path) }

  @Test("in order, entries for one buffer and for several follow each other; tokens and lengths are right")
  func inOrderMixed() throws {
    for layout in RingLayout.allCases {
      let rig = try Rig(layout, .poisoning, size: 8, features: .inOrder)
      var (offered, returned) = (0, 0)
      // Each: how many are served with one entry, and how many bytes the last of them gets of 64.
      for served in [[1, 1, 3, 1], [2, 1, 1, 1], [1, 4], [1, 1, 1, 1, 1], [5], [1, 2, 1]] {
        for _ in 0..<served.reduce(0, +) {
          let token = UInt64(offered)
          #expect(try rig.driver.add(rig.segment(at: 128 * (offered % 8), 64), .deviceWritable, token: token) == .added)
          offered += 1
        }
        rig.driver.publish()
        for (turn, count) in served.enumerated() {
          var left = count
          _ = try rig.device.serve(atMost: count) { chain, _ throws(Never) in
            left -= 1
            return left == 0 && turn % 2 == 1 ? 7 : UInt32(chain.writableByteCount)
          }
        }
        let expected = served.enumerated().flatMap { turn, count in
          (1...count).map { UInt32($0 == count && turn % 2 == 1 ? 7 : 64) }
        }
        let came = try rig.driver.reclaim()
        #expect(came.map(\.token) == (returned..<offered).map { UInt64($0) }, "\(layout) \(served)")
        #expect(came.map(\.writtenByteCount) == expected, "\(layout) \(served)")
        returned = offered
      }
      #expect(try rig.audit() == [])
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

  @Test("served alone, a buffer whose code throws stays with the device; the next one is served beside it")
  func bodyThrowsAlone() throws {
    for layout in RingLayout.allCases {
      for features: VirtioFeatures in [[], [.inOrder]] {
        let rig = try Rig(layout, size: 8, features: features)
        try Exchange(rig).offer(3)
        #expect(try rig.device.serve(atMost: 1) { _, _ throws(Never) in 0 } == 1)
        #expect(throws: ServeError<any Error>.self) {
          _ = try rig.device.serve(atMost: 1) { _, _ in throw Stop() }
        }
        #expect(rig.device.inFlightCount == 1 && !rig.device.isBroken)
        #expect(try rig.driver.reclaim().map(\.token) == [0])
        // In order the one that is held has to be completed first.
        if features.contains(.inOrder) { continue }
        #expect(try rig.device.serve(atMost: 1) { _, _ throws(Never) in 0 } == 1)
        #expect(rig.device.inFlightCount == 1)
        #expect(try rig.driver.reclaim().map(\.token) == [2])
      }
    }
  }

  @Test("a completion that was not published goes out with the next one that is served alone")
  func aloneBehindACompletion() throws {
    for layout in RingLayout.allCases {
      for features: VirtioFeatures in [[], [.inOrder]] {
        let rig = try Rig(layout, size: 8, features: features)
        try Exchange(rig).offer(3)
        let chain = try #require(try rig.device.next())
        rig.device.complete(chain, written: 0)
        #expect(try rig.driver.reclaim().isEmpty)
        for _ in 0..<2 { #expect(try rig.device.serve(atMost: 1) { _, _ throws(Never) in 0 } == 1) }
        #expect(try rig.driver.reclaim().map(\.token) == [0, 1, 2])
        #expect(try rig.audit() == [])
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

  @Test("a lie is refused in the middle of a batch as it is one by one; what was true before it is collected")
  func lies() throws {
    // Slots 0 and 1: 64 bytes to write, 64 to read; the device answers for the second truly, then lies.
    for features: VirtioFeatures in [[], [.indirectDescriptors]] {
      for (id, length, field) in [
        (9, 0, RingViolation.Field.identifier), (7, 0, .notInFlight), (1, 0, .notInFlight), (0, 65, .length),
      ] {
        let split = try Rig(.split, .poisoning, size: 8, features: features)
        try Exchange(split).offer(2, firstToken: 100)
        try split.split[used: 0] = vring_used_elem(id: 1, len: 0)
        try split.split[used: 1] = vring_used_elem(id: UInt32(id), len: UInt32(length))
        try split.split.usedIndex = 2
        try check(split, field)

        let packed = try Rig(.packed, .poisoning, size: 8, features: features)
        try Exchange(packed).offer(2, firstToken: 100)
        let used = UInt16(PackedView.used)
        try packed.packed[descriptor: 0] = vring_packed_desc(addr: 0, len: 0, id: 1, flags: used)
        let write = used | UInt16(CPEER_FLAG_WRITE.rawValue)
        try packed.packed[descriptor: 1] = vring_packed_desc(addr: 0, len: UInt32(length), id: UInt16(id), flags: write)
        try check(packed, field)
      }
    }
  }

  private func check(_ rig: Rig, _ field: RingViolation.Field) throws {
    let error = rig.driver.failure { _ = try $0.reclaim() }
    guard case .violation(let violation) = error else {
      Issue.record("reclaim threw \(String(describing: error)) where \(field) was wrong")
      return
    }
    #expect(violation.field == field)
    #expect(rig.driver.lastCompletions.map(\.token) == [101])
    #expect(rig.driver.isBroken)
    #expect(try rig.driver.reset() == [100])
    #expect(try rig.audit() == [])
  }
}
