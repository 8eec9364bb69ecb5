import RingKit
import Testing
import VhostUser

/// Buffers that a device keeps and finishes in another order, also after it, or its queue, went away.
@Suite struct AnyOrderTests {
  /// Takes all that there is; finishes the one whose first byte it is told, with that byte.
  private final class Holder: VhostUserDevice {
    let deviceFeatures: VirtioFeatures = []
    let queueCount = 1
    let configuration: [UInt8] = []
    private(set) var held: [(name: UInt8, buffer: TakenBuffer)] = []
    /// What is to be finished, in this order.
    var wanted: [UInt8] = []

    func configure(_ features: VirtioFeatures) {}
    func reset() { held = [] }
    func forget(index: Int) { held = [] }

    var names: [UInt8] { held.map(\.name) }

    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
      var name: UInt8 = 0
      while let buffer = try queue.take({ buffer throws(VringFailure) in name = try buffer.read() }) {
        held.append((name, buffer))
      }
      while let next = wanted.first, let index = held.firstIndex(where: { $0.name == next }) {
        wanted.removeFirst()
        try queue.finish(held.remove(at: index).buffer) { buffer throws(VringFailure) in
          try buffer.write([next, next])
        }
      }
      return .empty
    }
  }

  private typealias Session = BodyDriver<Holder>

  /// A buffer named by its token: one byte to read, and two bytes to write in as many segments as asked for.
  private static func add(_ session: Session, _ tokens: Range<Int>, queue: ScriptedQueue? = nil) throws {
    for token in tokens {
      unsafe session.buffer.bytes[16 * token] = UInt8(token)
      try (queue ?? session.queue).add(
        readable: session.parts(16 * token, 1, 1), writable: session.parts(16 * token + 4, 2, token % 2 + 1),
        token: UInt64(token))
    }
  }

  private static func finish(_ session: Session, _ names: [UInt8]) throws {
    session.frontend.backend.device.wanted = names
    try session.settle()
  }

  private static func check(_ session: Session, _ tokens: Range<Int>) {
    for token in tokens {
      let bytes = session.bytes((16 * token + 4)..<(16 * token + 6))
      #expect(bytes == [UInt8(token), UInt8(token)], "buffer \(token)")
    }
  }

  private static let layouts: [VirtioFeatures] = [
    [], .packedRing, .indirectDescriptors, [.packedRing, .indirectDescriptors],
  ]

  @Test(arguments: layouts, [true, false])
  func buffersComeBackAsTheyAreFinished(layout: VirtioFeatures, isNoted: Bool) throws {
    let session = try Session(Holder(), features: layout, isNoted: isNoted)
    // Some laps of a ring whose size is no multiple of what is in flight.
    for _ in 0..<40 {
      try Self.add(session, 0..<5)
      try Self.finish(session, [3, 0, 4])
      #expect(try session.queue.used().map(\.token) == [3, 0, 4])
      try Self.finish(session, [2, 1])
      #expect(try session.queue.used().map(\.token) == [2, 1])
    }
    Self.check(session, 0..<5)
    #expect(session.frontend.backend.counts.completed == 200 && session.frontend.backend.takeFailures().isEmpty)
  }

  @Test(arguments: [VirtioFeatures.inOrder, [.inOrder, .packedRing]], [true, false])
  func withInOrderTheyAreKeptUntilTheOthersAreDone(layout: VirtioFeatures, isNoted: Bool) throws {
    let session = try Session(Holder(), features: layout, isNoted: isNoted)
    for _ in 0..<20 {
      try Self.add(session, 0..<4)
      try Self.finish(session, [2, 1])
      #expect(try session.queue.used().isEmpty)
      try Self.finish(session, [0])
      #expect(try session.queue.used().map(\.token) == [0, 1, 2])
      try Self.finish(session, [3])
      #expect(try session.queue.used().map(\.token) == [3])
    }
    Self.check(session, 0..<4)
  }

  /// New memory takes the queue away; what is held is fetched anew, once, and nothing of what was finished is.
  @Test(arguments: layouts, [true, false])
  func whatIsHeldIsFetchedAnewWhenTheQueueIsBack(layout: VirtioFeatures, isNoted: Bool) throws {
    let session = try Session(Holder(), features: layout, isNoted: isNoted)
    let device = session.frontend.backend.device
    for round in 0..<12 {
      try Self.add(session, 0..<6)
      try Self.finish(session, [1, 4])
      try session.frontend.share()
      try session.settle()
      #expect(device.names == [0, 2, 3, 5], "round \(round)")
      try Self.finish(session, [5])
      // A stop and a start where it stood.
      let base = try session.frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
      #expect(device.names.isEmpty)
      try session.frontend.start(size: session.size, base: base, parts: session.queue.parts)
      try Self.finish(session, [3, 0, 2])
      #expect(try session.queue.used().map(\.token) == [1, 4, 5, 3, 0, 2])
    }
    Self.check(session, 0..<6)
    #expect(session.frontend.backend.takeFailures().isEmpty)
  }

  /// What was in flight in a ring of another size is no buffer of this one, and no note is written for it.
  @Test(arguments: layouts) func aRingOfAnotherSizeHasNothingInFlight(layout: VirtioFeatures) throws {
    let session = try Session(Holder(), features: layout, size: 16, isNoted: true)
    try Self.add(session, 0..<6)
    try Self.finish(session, [4, 2])
    let base = try session.frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    let (description, file) = try session.frontend.ask(
      .getInflight(InflightDescription(queueCount: 1, queueSize: 2))
    ).inflight()
    try session.frontend.tell(.setInflight(description, file))
    try session.frontend.start(size: 2, base: base, parts: session.queue.parts)
    try session.settle()
    #expect(session.frontend.backend.device.names.isEmpty)
  }

  /// What was in flight when a driver had other features was another driver's, in another ring.
  @Test(arguments: [VirtioFeatures(), .packedRing])
  func otherFeaturesHaveNothingInFlight(layout: VirtioFeatures) throws {
    let session = try Session(Holder(), features: layout)
    let frontend = session.frontend
    try Self.add(session, 0..<6)
    try Self.finish(session, [4, 2])
    let base = try frontend.ask(.getVringBase(VringState(index: 0, value: 0))).vringState().value
    let other = layout.symmetricDifference(.packedRing).union(.version1)
    try frontend.tell(.setFeatures(VirtioFeatures(rawValue: other.rawValue | ProtocolFeatures.deviceBit)))
    // Where it stood, as far as the other layout has such a position.
    try frontend.start(size: session.size, base: base & 0xffff, parts: session.queue.parts)
    try session.settle()
    #expect(frontend.backend.device.names.isEmpty)
    let failures = frontend.backend.takeFailures().map(\.failure)
    #expect(!failures.contains { if case .device = $0 { true } else { false } }, "\(failures)")
  }

  /// Takes buffers until it is told to serve them on the spot.
  private final class Changer: VhostUserDevice {
    let deviceFeatures: VirtioFeatures = []
    let queueCount = 1
    let configuration: [UInt8] = []
    private var held: [TakenBuffer] = []
    var serves = false
    private(set) var served: [UInt8] = []

    func configure(_ features: VirtioFeatures) {}
    func reset() { held = [] }
    func forget(index: Int) { held = [] }

    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
      if serves {
        return try queue.serve(atMost: limit) { buffer throws(VringFailure) in served.append(try buffer.read()) }
      }
      while let buffer = try queue.take() { held.append(buffer) }
      if held.count == 4 { try queue.finish(held.remove(at: 2)) }
      return .empty
    }
  }

  /// Also where the device completes on the spot by then, and nothing is noted.
  @Test(arguments: layouts, [true, false])
  func whatWasHeldComesBeforeTheRing(layout: VirtioFeatures, isNoted: Bool) throws {
    let device = Changer()
    let session = try BodyDriver(device, features: layout, isNoted: isNoted)
    func add(_ tokens: Range<Int>) throws {
      for token in tokens {
        unsafe session.buffer.bytes[16 * token] = UInt8(token)
        try session.queue.add(readable: session.parts(16 * token, 1, 1), token: UInt64(token))
      }
      try session.settle()
    }
    try add(0..<4)
    #expect(try session.queue.used().map(\.token) == [2])
    device.serves = true
    try session.frontend.share()
    try add(4..<6)
    #expect(device.served == [0, 1, 3, 4, 5])
    #expect(try session.queue.used().map(\.token) == [0, 1, 3, 4, 5])
  }

  /// A device that dies with buffers held in any order leaves them to its successor, in the notes.
  @Test(arguments: layouts) func aSuccessorFinishesWhatWasHeld(layout: VirtioFeatures) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 1 << 20)
    let first = try Session(Holder(), features: layout, isNoted: true, region: region)
    try Self.add(first, 0..<6)
    try Self.finish(first, [4, 2])
    #expect(try first.queue.used().map(\.token) == [4, 2])
    let second = try Session(Holder(), features: layout, successorOf: first, region: region)
    try second.settle()
    #expect(second.frontend.backend.device.names == [0, 1, 3, 5])
    try Self.add(second, 6..<8, queue: first.queue)
    try Self.finish(second, [7, 0, 3, 1, 5, 6])
    #expect(try first.queue.used().map(\.token) == [7, 0, 3, 1, 5, 6])
    Self.check(second, 0..<8)
    #expect(second.frontend.backend.takeFailures().isEmpty)
  }
}
