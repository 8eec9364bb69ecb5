import RingTestSupport
import Testing

@testable import RingKit

@Suite("A path that returns wrong values")
struct WrongPathTests {
  private static let features: [VirtioFeatures] = [[], .inOrder, .indirectDescriptors]

  @Test(
    "a translation that is empty, too long or outside what the device can see is a fault that names the value",
    arguments: RingLayout.allCases)
  func translations(layout: RingLayout) throws {
    switch layout {
    case .split: try translations(Split<WrongPath>.self)
    case .packed: try translations(Packed<WrongPath>.self)
    }
  }

  private func translations<Layout: VirtqueueLayout>(
    _ layout: Layout.Type
  ) throws where Layout.Path == WrongPath {
    for features in Self.features {
      for wrong in WrongAnswer.allCases {
        // The shapes, and how many translations of each are right before the wrong one; -1: the first returns 8 bytes.
        for (shape, before) in [(1, 0), (0, 0), (0, 1), (2, 0), (2, 1), (2, -1), (3, 2)] {
          let rig = try WrongRig<Layout>(features)
          try rig.offer(shape)
          if before < 0 { rig.plan.answers = [{ (host: $0.host, byteCount: min($0.byteCount, 8)) }] }
          for _ in 0..<max(before, 0) { rig.plan.answers.append { $0 } }
          rig.plan.answers.append { wrong.answer($0, rig.hidden, rig.end) }
          let error = rig.deviceError(serves: features == .inOrder)
          let (address, range, limit) = try #require(rig.plan.last)
          let expected: DMAFault =
            range.byteCount == 0 || range.byteCount > limit
            ? .wrongCount(address, byteCount: range.byteCount, limit: limit)
            : .wrongTarget(address, range.host, byteCount: range.byteCount)
          #expect(error == .fault(expected), "\(wrong), shape \(shape) after \(before), \(features)")
          #expect(rig.plan.answers.isEmpty)
          #expect(rig.isDeviceBroken)
        }
      }
    }
  }

  @Test("a mapped address from where the segment would end beyond 2^64 is refused", arguments: RingLayout.allCases)
  func addresses(layout: RingLayout) throws {
    switch layout {
    case .split: try addresses(Split<WrongPath>.self)
    case .packed: try addresses(Packed<WrongPath>.self)
    }
  }

  private func addresses<Layout: VirtqueueLayout>(_ layout: Layout.Type) throws where Layout.Path == WrongPath {
    for features in Self.features {
      // Behind two segments of a table the table itself is mapped.
      let table = features == .indirectDescriptors ? [(2, 2)] : []
      for (shape, before) in [(1, 0), (2, 0), (2, 1), (-4, 0), (-4, 2)] + table {
        let rig = try WrongRig<Layout>(features)
        let free = rig.freeCount
        let byteCount: UInt32 = shape == 2 && before == 2 ? 32 : 64
        let address = IOVA(.max - UInt64(byteCount - 2))
        rig.plan.honestMaps = before
        rig.plan.address = address
        let error = rig.error { try rig.offer(shape) }
        #expect(
          error == .mapping(.wrongAddress(address, byteCount: byteCount)), "shape \(shape), \(before), \(features)")
        #expect(!rig.isDriverBroken)
        // Of a batch the buffers before the wrong one are added.
        let added = shape < 0 ? before : 0
        #expect(rig.plan.maps - rig.plan.unmaps == added)
        #expect(rig.freeCount == free - added)
        // The last address that is possible.
        rig.plan.address = IOVA(.max - 63)
        try rig.offer(1)
      }
    }
  }

  @Test("more bytes counted in a segment than the device wrote break the queue", arguments: RingLayout.allCases)
  func counts(layout: RingLayout) throws {
    switch layout {
    case .split: try counts(Split<WrongPath>.self)
    case .packed: try counts(Packed<WrongPath>.self)
    }
  }

  private func counts<Layout: VirtqueueLayout>(_ layout: Layout.Type) throws where Layout.Path == WrongPath {
    for features in Self.features {
      for shape in [1, 2, -4] {
        for reclaims in [false, true] {
          let rig = try WrongRig<Layout>(features)
          try rig.offer(shape, written: 10)
          #expect(rig.deviceError() == nil)
          rig.plan.count = 11
          let error = rig.error {
            if reclaims { _ = try rig.queue.driver.reclaim(atMost: 8) } else { _ = try rig.queue.driver.nextUsed() }
          }
          // A chain's first segment is readable: nothing was written into it.
          let limit: UInt32 = shape == 2 ? 0 : 10
          #expect(error == .mapping(.wrongCount(11, limit: limit)), "shape \(shape), \(features)")
          #expect(rig.isDriverBroken)
          rig.plan.count = 0
          var tokens: [UInt64] = []
          try rig.queue.driver.reset { tokens.append($0) }
          #expect(tokens.sorted() == (shape < 0 ? [1, 2, 3, 4] : [1]))
          #expect(rig.plan.maps == rig.plan.unmaps)
        }
      }
    }
  }

  @Test("that holds for buffers beside a chain, which do not come back as a run", arguments: RingLayout.allCases)
  func countsBesideAChain(layout: RingLayout) throws {
    switch layout {
    case .split: try countsBesideAChain(Split<WrongPath>.self)
    case .packed: try countsBesideAChain(Packed<WrongPath>.self)
    }
  }

  private func countsBesideAChain<Layout: VirtqueueLayout>(
    _ layout: Layout.Type
  ) throws where Layout.Path == WrongPath {
    for features in Self.features {
      for honest in [0, 1] {
        let rig = try WrongRig<Layout>(features)
        // With IN_ORDER only buffers used completely share a used entry.
        let written: UInt32 = features == .inOrder ? 64 : 10
        try rig.offer(-3, written: written)
        try rig.offer(2, written: written)
        #expect(rig.deviceError() == nil)
        (rig.plan.honestUnmaps, rig.plan.count) = (honest, written + 1)
        let error = rig.error { _ = try rig.queue.driver.reclaim(atMost: 8) }
        #expect(error == .mapping(.wrongCount(written + 1, limit: written)), "\(features)")
        #expect(rig.isDriverBroken)
        let collected = rig.queue.driver.completions.count
        #expect(collected == honest)
        rig.plan.count = 0
        var tokens: [UInt64] = []
        try rig.queue.driver.reset { tokens.append($0) }
        // The chain has the token of the first buffer.
        #expect(tokens.sorted() == (honest == 0 ? [1, 1, 2, 3] : [1, 2, 3]))
        #expect(rig.plan.maps == rig.plan.unmaps)
      }
    }
  }

  @Test("a held chain that is restored over a translator that returns wrong values is refused")
  func heldChains() throws {
    for wrong in WrongAnswer.allCases {
      for before in [0, 1] {
        let split = try WrongRig<Split<WrongPath>>([])
        let splitIsRefused = try split.held(before, wrong) { (state, translator) throws(QueueStateError) in
          _ = try SplitDeviceQueue.restored(
            from: state, ring: split.queue.device.ring, translator: translator, memory: split.memory
          ) { _, _ in }
        }
        #expect(splitIsRefused, "split, \(wrong) after \(before)")
        let packed = try WrongRig<Packed<WrongPath>>([])
        let packedIsRefused = try packed.held(before, wrong) { (state, translator) throws(QueueStateError) in
          _ = try PackedDeviceQueue.restored(
            from: state, ring: packed.queue.device.ring, translator: translator, memory: packed.memory
          ) { _, _ in }
        }
        #expect(packedIsRefused, "packed, \(wrong) after \(before)")
      }
    }
  }

  @Test("a wrong address of a mapping does not get into a saved state", arguments: RingLayout.allCases)
  func states(layout: RingLayout) throws {
    switch layout {
    case .split: try states(Split<WrongPath>.self)
    case .packed: try states(Packed<WrongPath>.self)
    }
  }

  private func states<Layout: VirtqueueLayout>(
    _ layout: Layout.Type
  ) throws where Layout.Path == WrongPath, Layout.Driver: ResumableDriverQueue {
    let rig = try WrongRig<Layout>([])
    try rig.offer(1)
    rig.plan.address = IOVA(.max)
    do throws(QueueStateError) {
      _ = try rig.queue.driver.saveState(isSecure: false) { _ in (readable: [], writable: [rig.segment(0)]) }
      Issue.record("the address was saved")
    } catch { #expect(error == .mapping(token: 1, .wrongAddress(IOVA(.max), byteCount: 64))) }
  }
}
