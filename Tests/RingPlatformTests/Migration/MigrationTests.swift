import FoundationEssentials
import MigrationTestSupport
import RingIOMMU
import RingKit
import RingKitTesting
import RingTestSupport
import Testing

@Suite("A queue's state, saved and restored")
struct MigrationTests {
  static let featureSets: [VirtioFeatures] = [
    [], .inOrder, .indirectDescriptors, .eventIndex, [.inOrder, .indirectDescriptors, .eventIndex, .orderPlatform],
  ]

  static func plans(_ path: MovingPath) -> [MovingPlan] {
    [false, true].flatMap { isPacked in
      featureSets.flatMap { features in
        (isPacked ? [16, 7] : [16, 2]).flatMap { size in
          [false, true].map { singles in
            MovingPlan(isPacked: isPacked, path: path, features: features, size: size, singles: singles)
          }
        }
      }
    }
  }

  /// By way of JSON, as it would go by file or wire.
  static func copy(_ image: MovingQueue.Image) throws -> MovingQueue.Image {
    try JSONDecoder().decode(MovingQueue.Image.self, from: JSONEncoder().encode(image))
  }

  @Test(
    "restored at random points of random exchanges, every buffer completes exactly once, with its bytes",
    arguments: MovingPath.allCases)
  func roundTrips(path: MovingPath) throws {
    var random = SeededGenerator(for: "roundTrips \(path.rawValue)")
    for plan in Self.plans(path) {
      let memory = try MovingMemory(plan)
      var queue = try MovingQueue(plan, memory)
      for _ in 0..<12 {
        do {
          try queue.run(Int.random(in: 0..<30, using: &random), &random)
          let image = try queue.image(seed: 0)
          #expect(try Self.copy(image).driver == image.driver)
          try image.driver.check(against: image.device)
          let held = image.driver.tokensHeld(by: image.device)
          #expect(held.sorted() == image.deviceLoad.held.sorted(), "\(plan)")
          queue = try MovingQueue(plan, memory, from: Self.copy(image))
        } catch { Issue.record("\(plan): \(error)") }
      }
      do { try queue.finish() } catch { Issue.record("\(plan): \(error)") }
    }
  }

  @Test("restored on both sides of the indices' wrap at 65,536", arguments: [false, true])
  func wrap(isPacked: Bool) throws {
    var random = SeededGenerator(for: "wrap")
    for features in [[], .inOrder] as [VirtioFeatures] {
      let plan = MovingPlan(isPacked: isPacked, path: .identity, features: features, size: 16, singles: false)
      let memory = try MovingMemory(plan)
      var queue = try MovingQueue(plan, memory)
      try queue.goRound(65_500)
      for _ in 0..<20 {
        try queue.run(10, &random)
        queue = try MovingQueue(plan, memory, from: Self.copy(queue.image(seed: 0)))
      }
      #expect(queue.driver.load.next > 65_536)
      try queue.finish()
    }
  }

  @Test("saving disturbs nothing: the source goes on, and a restored ring pays the careful path no longer than it must")
  func sourceGoesOn() throws {
    var random = SeededGenerator(for: "sourceGoesOn")
    for plan in Self.plans(.swiotlb) {
      let queue = try MovingQueue(plan, MovingMemory(plan))
      for _ in 0..<10 {
        try queue.run(10, &random)
        _ = try queue.image(seed: 0)
      }
      try queue.finish()
      let counts = queue.driver.counts
      #expect(counts[.maps] == counts[.unmaps], "\(plan)")
    }
  }

  @Test(
    "what is mapped is given back where it was taken over", arguments: [MovingPath.iommuStrict, .swiotlb, .identity])
  func books(path: MovingPath) throws {
    var random = SeededGenerator(for: "books")
    for plan in Self.plans(path) {
      let memory = try MovingMemory(plan)
      let source = try MovingQueue(plan, memory)
      try source.run(25, &random)
      let target = try MovingQueue(plan, memory, from: Self.copy(source.image(seed: 0)))
      try target.run(25, &random)
      try target.finish()
      let counts = target.driver.counts
      #expect(counts[.maps] == counts[.unmaps], "\(plan)")
    }
  }

  @Test("a buffer the caller cannot describe, or describes otherwise than it was added, is refused by its token")
  func descriptions() throws {
    for path in [MovingPath.direct, .swiotlb, .iommuStrict] {
      for isPacked in [false, true] {
        let plan = MovingPlan(
          isPacked: isPacked, path: path, features: .indirectDescriptors, size: 8, singles: false)
        let queue = try MovingQueue(plan, MovingMemory(plan))
        try queue.fill()
        let right = try queue.driver.save()
        for buffer in right.inFlight {
          func refused(_ change: (inout DescribedBuffer) -> Void) -> QueueStateError? {
            var spoilt = buffer.described
            change(&spoilt)
            return #expect(throws: QueueStateError.self) {
              try queue.driver.save { token in
                token == buffer.token ? spoilt : right.inFlight.first { $0.token == token }?.described
              }
            }
          }
          let errors = [
            refused { $0.readable.append(MemorySegment(GuestPhysicalAddress(1 << 24), length: 8)) },
            refused { $0.writable.append(MemorySegment(GuestPhysicalAddress(1 << 24), length: 8)) },
            refused { ($0.readable, $0.writable) = ($0.writable, $0.readable + $0.readable) },
          ]
          for error in errors {
            switch error {
            case .misdescribed(buffer.token, _), .mapping(buffer.token, _): break
            default: Issue.record("\(plan): \(String(describing: error))")
            }
          }
          // A path that remembers what it mapped sees the wrong address too.
          if path != .direct {
            let moved = refused {
              if $0.readable.isEmpty { $0.writable[0].address = GuestPhysicalAddress(1 << 24) }
              if !$0.readable.isEmpty { $0.readable[0].address = GuestPhysicalAddress(1 << 24) }
            }
            guard case .mapping(buffer.token, .notMapped(_)) = moved else {
              Issue.record("\(plan): \(String(describing: moved))")
              continue
            }
          }
        }
        #expect(throws: QueueStateError.undescribed(token: right.inFlight[0].token)) {
          try queue.driver.save { _ in nil }
        }
        #expect(!queue.driver.isBroken)
        try queue.finish()
      }
    }
  }

  @Test("chains that a device does not hold, or not all it holds, are refused")
  func chains() throws {
    for isPacked in [false, true] {
      let rig = try Rig(isPacked ? .packed : .split, size: 8)
      try Exchange(rig).offer(3)
      var held: [HeldChain] = []
      for _ in 0..<2 {
        let chain = try rig.device.fetch()
        held.append((chain, [chain.first]))
      }
      func refused() -> QueueStateError? {
        #expect(throws: QueueStateError.self) { try rig.device.save(holding: held) }
      }
      let all = held
      held.removeLast()
      guard case .wrongChains = refused() else { throw MovingError("one too few was taken") }
      held = [all[0], (all[1].chain, [])]
      guard case .wrongChains = refused() else { throw MovingError("a chain without its segments was taken") }
      held = all
      let state = try rig.device.save(holding: held)
      #expect(state.held.map(\.id) == all.map(\.chain.id))
    }
  }

  @Test("a path whose mappings end with it is saved drained, and refused with something in flight")
  func drained() throws {
    var waiting = IOMMUConfiguration()
    waiting.servedBy = .waiter
    let configuration = waiting
    let path = DMAPath("viommu-injected") { rig in
      let domain = IOMMUDomain(memory: rig.memory, configuration: configuration)
      try rig.connect(
        ViommuMapper(domain: domain, exit: InjectedExit(nanoseconds: 100), counter: CountedWork()),
        IOMMUTranslator(domain: domain, counter: CountedWork()))
    }
    for layout in RingLayout.allCases {
      let rig = try Rig(layout, path, size: 8)
      try Exchange(rig).run(20)
      let state = try rig.driver.save { _ in nil }
      #expect(state.inFlight.isEmpty && state.added == 20)
      try Exchange(rig).offer(1, firstToken: 77)
      let segments = (readable: [], writable: [rig.segment(at: 0, 64)]) as DescribedBuffer
      let error = #expect(throws: QueueStateError.self) { try rig.driver.save { _ in segments } }
      guard case .mapping(77, .notResumable) = error else { throw MovingError("\(String(describing: error))") }
      try Exchange(rig).serve(1)
      #expect(try rig.driver.nextUsed()?.token == 77)
    }
  }

  @Test("a broken queue's state is not saved")
  func broken() throws {
    let rig = try Rig(.split, size: 8)
    Scribbler(try rig.areas[2]).store16(9, at: 2)
    #expect(rig.driver.failure { _ = try $0.nextUsed() } != nil)
    #expect(throws: QueueStateError.broken) { try rig.driver.save { _ in nil } }
  }
}

extension QueueState.Buffer {
  var described: DescribedBuffer {
    let all = segments.map { ($0.isWritable, MemorySegment(GuestPhysicalAddress($0.address), length: $0.length)) }
    return (readable: all.filter { !$0.0 }.map(\.1), writable: all.filter(\.0).map(\.1))
  }
}
