import RingKit
import RingKitTesting
import Testing

@Suite("A hostile driver and a hostile device for a user's own")
struct HostilePeerTests {
  private typealias Direct = DirectMapper<UncountedWork>

  private func expectCaught(_ outcomes: [HostileOutcome], exactly: Bool = true) {
    #expect(outcomes.filter { !$0.isCaught }.map(\.description) == [])
    if exactly {
      for outcome in outcomes {
        let error = outcome.error as? QueueError
        #expect(error == outcome.expected || outcome.error is ServeError<Never>, "\(outcome)")
        #expect(outcome.isBroken, "\(outcome)")
      }
    }
  }

  @Test(
    "a device queue catches each violation by a driver, whatever went before", arguments: 1...3 as ClosedRange<UInt64>)
  func device(seed: UInt64) throws {
    for size in [4, 64] {
      let split = try HostilePeer(queueSize: size, seed: seed, splitOver: { DirectMapper($0) }).attackDevice()
      expectCaught(split)
      #expect(split.count == 27)
      let packed = try HostilePeer(queueSize: size + 1, seed: seed, packedOver: { DirectMapper($0) }).attackDevice()
      expectCaught(packed)
      #expect(packed.count == 18)
    }
  }

  @Test("over any path: a bounce, shadow buffers")
  func paths() throws {
    expectCaught(try HostilePeer(splitOver: { try SwiotlbMapper($0) }).attackDevice(), exactly: false)
    expectCaught(try HostilePeer(packedOver: { try SwiotlbMapper($0) }).attackDevice(), exactly: false)
  }

  @Test("a device of one's own is driven; the error is what its step throws")
  func ownDevice() throws {
    struct Refusal: Error { let error: QueueError }
    let outcomes = try HostilePeer(packedOver: { DirectMapper($0) }).attackDevice { memory in
      var served = 0
      return { device in
        do throws(QueueError) {
          while let chain = try device.next() {
            device.complete(chain, written: 0)
            served += 1
          }
        } catch { throw Refusal(error: error) }
        device.publish()
      }
    }
    #expect(outcomes.allSatisfy { $0.isCaught && ($0.error as? Refusal)?.error == $0.expected })
  }

  /// A driver of one's own: keeps up to four buffers in flight.
  private func driver<Queue: DriverQueue & ~Copyable>(
    _ memory: GuestMemory, atMost limit: Int = 4
  ) throws -> (inout Queue) throws -> Void {
    let buffer = try memory.allocate(4096)
    var token: UInt64 = 0
    return { queue in
      while try queue.nextUsed() != nil {}
      while queue.inFlightCount < limit {
        let direction: DMADirection = token % 3 == 0 ? .deviceReadable : .deviceWritable
        token += 1
        guard try queue.add(buffer.segment(length: 64), direction, token: token) == .added else { break }
      }
      queue.publish()
    }
  }

  @Test("a driver catches each violation by a device", arguments: 1...3 as ClosedRange<UInt64>)
  func ownDriver(seed: UInt64) throws {
    // One in flight, some, and as many as there are descriptors.
    for limit in [1, 4, 8] {
      let split = try HostilePeer(seed: seed, splitOver: { DirectMapper($0) }).attackDriver { memory in
        try driver(memory, atMost: limit)
      }
      expectCaught(split)
      #expect(split.count == 6)
      let packed = try HostilePeer(seed: seed, packedOver: { DirectMapper($0) }).attackDriver { memory in
        try driver(memory, atMost: limit)
      }
      expectCaught(packed)
      #expect(packed.count == 6)
    }
  }

  @Test("a step that keeps the error to itself is found by the broken queue; one that believes is told on")
  func silence() throws {
    let silent = try HostilePeer(splitOver: { DirectMapper($0) }).attackDevice { _ in
      { device in _ = try? device.serve(atMost: 8) { _, _ throws(Never) in 0 } }
    }
    #expect(silent.allSatisfy { $0.isCaught && $0.error == nil && $0.isBroken })
    let asleep = try HostilePeer(honestBuffers: 0, splitOver: { DirectMapper($0) }).attackDevice { _ in { _ in } }
    #expect(asleep.allSatisfy { !$0.isCaught && $0.description.hasSuffix("the queue believed it") })
  }

  @Test("a peer that has nothing to lie about says so")
  func nothingToDo() throws {
    #expect(throws: (any Error).self) {
      _ = try HostilePeer(splitOver: { DirectMapper($0) }).attackDriver { _ in { _ in } }
    }
    #expect(throws: (any Error).self) {
      _ = try HostilePeer(honestBuffers: 100, splitOver: { DirectMapper($0) }).attackDevice { _ in { _ in } }
    }
  }

  @Test("anything at all ends in an error or is served, on both sides", arguments: 1...2 as ClosedRange<UInt64>)
  func scribbles(seed: UInt64) throws {
    func errors<Layout: VirtqueueLayout>(_ peer: HostilePeer<Layout>) throws -> (Int, Int) {
      let served = try peer.scribbleAtDevice(rounds: 400) { _ in
        { device in _ = try device.serve(atMost: 8) { _, _ throws(Never) in 0 } }
      }
      return (served, try peer.scribbleAtDriver(rounds: 400) { memory in try driver(memory) })
    }
    for (device, driver) in [
      try errors(HostilePeer(seed: seed, splitOver: { DirectMapper($0) })),
      try errors(HostilePeer(seed: seed, packedOver: { DirectMapper($0) })),
    ] {
      #expect((50...1950).contains(device), "the generator reaches errors, and what is none")
      #expect((50...1950).contains(driver), "the generator reaches errors, and what is none")
    }
  }
}
