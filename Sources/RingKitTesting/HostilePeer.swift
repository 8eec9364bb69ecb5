public import RingKit

/// A hostile driver and a hostile device: each breaks one rule of the specification at a time, and tells what came of
/// it.
///
///     let outcomes = try HostilePeer(packedOver: { memory in DirectMapper(memory) }).attackDevice { memory in
///       var device = MyDevice()
///       return { queue in try device.serve(&queue) }
///     }
///     #expect(outcomes.filter { !$0.isCaught }.isEmpty)
///
/// Each violation is told to a queue of its own, over a path that the closure makes, after as many honest buffers as
/// the seed says; the seed also chooses among the values that break a rule. Runs on the calling thread, in a second. It
/// changes the ring between two calls; for a peer that writes while the other reads, use threads of your own.
///
/// A layout of your own has to lay its ring out as `SplitRing` or `PackedRing` do in one buffer, and to allocate it
/// before anything else, at a multiple of 128.
public struct HostilePeer<Layout: VirtqueueLayout> {
  private let size: Int
  private let honestBuffers: Int
  let seed: UInt64
  private let makePath: (GuestMemory) throws -> Layout.Path

  /// A peer for queues of a layout.
  ///
  /// - Parameters:
  ///   - queueSize: descriptors of each queue, at least 4; a power of two for a split ring.
  ///   - honestBuffers: how many buffers go round at most before a rule is broken; 0 where they never come back.
  ///   - seed: what chooses.
  ///   - makePath: makes a path over a guest's memory, from which it may allocate up to 2 MiB.
  public init(
    queueSize: Int = 8, honestBuffers: Int = 11, seed: UInt64 = 1,
    over makePath: @escaping (GuestMemory) throws -> Layout.Path
  ) {
    precondition((4...256).contains(queueSize), "a queue of 4 to 256 descriptors is attacked, not of \(queueSize)")
    precondition(honestBuffers >= 0, "\(honestBuffers) buffers cannot go round")
    (size, self.honestBuffers, self.seed, self.makePath) = (queueSize, honestBuffers, seed, makePath)
  }

  /// A peer for split queues over a path; see ``init(queueSize:honestBuffers:seed:over:)``.
  public init<Path: PairedPath & ~Copyable>(
    queueSize: Int = 8, honestBuffers: Int = 11, seed: UInt64 = 1,
    splitOver makePath: @escaping (GuestMemory) throws -> Path
  ) where Layout == Split<Path> {
    self.init(queueSize: queueSize, honestBuffers: honestBuffers, seed: seed, over: makePath)
  }

  /// A peer for packed queues over a path; see ``init(queueSize:honestBuffers:seed:over:)``.
  public init<Path: PairedPath & ~Copyable>(
    queueSize: Int = 8, honestBuffers: Int = 11, seed: UInt64 = 1,
    packedOver makePath: @escaping (GuestMemory) throws -> Path
  ) where Layout == Packed<Path> {
    self.init(queueSize: queueSize, honestBuffers: honestBuffers, seed: seed, over: makePath)
  }

  /// Attacks a device queue that serves whatever it finds on the spot.
  ///
  /// - Returns: what came of each violation.
  /// - Throws: as ``attackDevice(_:)``.
  public func attackDevice() throws -> [HostileOutcome] {
    try attackDevice { _ in { device in _ = try device.serve(atMost: 64) { _, _ throws(Never) in 0 } } }
  }

  /// Attacks a device: a driver breaks one rule after the other.
  ///
  /// - Parameter makeDevice: called for each violation with the guest's memory; returns the device's step, which serves
  ///   what is there and throws what the queue throws.
  /// - Returns: what came of each violation.
  /// - Throws: what a step throws before a rule is broken, what `makePath` or `makeDevice` throws, or why there is no
  ///   such queue.
  public func attackDevice(
    _ makeDevice: (GuestMemory) throws -> (inout Layout.Device) throws -> Void
  ) throws -> [HostileOutcome] {
    try attack(Lie<DriverStage>.all) { lie, observed, random in
      let serve = try makeDevice(observed.memory)
      let rounds = Int(random.next() % UInt64(honestBuffers + 1))
      for _ in 0..<rounds { try observed.goRound(serve) }
      let stage = try observed.driverStage(position: rounds, table: lie.table, variation: Int(random.next() >> 33))
      let expected = lie.tell(stage)
      let error = Self.firstError { try serve(&observed.queue.device) }
      return (expected, error, observed.queue.device.isBroken)
    }
  }

  /// Attacks a driver: a device breaks one rule after the other.
  ///
  /// - Parameters:
  ///   - answer: how the device serves the buffers before that, with a chain and its segments, lent for the call;
  ///     returns the bytes written.
  ///   - makeDriver: called for each violation with the guest's memory; returns the driver's step, which adds,
  ///     publishes and reclaims what it can, without indirect tables, and throws what the queue throws.
  /// - Returns: what came of each violation.
  /// - Throws: what a step throws before a rule is broken, what `makePath` or `makeDriver` throws, or why there is no
  ///   such queue.
  public func attackDriver(
    answering answer: (DeviceChain, borrowing ChainSegments) -> UInt32 = { _, _ in 0 },
    _ makeDriver: (GuestMemory) throws -> (inout Layout.Driver) throws -> Void
  ) throws -> [HostileOutcome] {
    try attack(Lie<DeviceStage>.all) { lie, observed, random in
      let drive = try makeDriver(observed.memory)
      var position = 0
      for _ in 0..<Int(random.next() % UInt64(honestBuffers + 1)) {
        try drive(&observed.queue.driver)
        position += try observed.serveAll(answer)
      }
      let variation = Int(random.next() >> 33)
      for _ in 0..<64 {
        try drive(&observed.queue.driver)
        let stage = DeviceStage(observed.ring, position: position, variation: variation)
        guard !stage.inFlight.isEmpty else { continue }
        let expected = lie.tell(stage)
        let error = Self.firstError { try drive(&observed.queue.driver) }
        return (expected, error, observed.queue.driver.isBroken)
      }
      throw Seen("the driver made nothing available in 64 steps")
    }
  }

  private func attack<Stage>(
    _ lies: (Bool) -> [Lie<Stage>],
    _ body: (Lie<Stage>, inout ObservedQueue<Layout>, inout SeededGenerator) throws -> (QueueError, (any Error)?, Bool)
  ) throws -> [HostileOutcome] {
    var random = SeededGenerator(seed: seed)
    let isPacked = Layout.byteCount(size: size) == PackedRing.byteCount(size: size)
    return try lies(isPacked).map { lie in
      var observed = try observedQueue(lie.features)
      let (expected, error, isBroken) = try body(lie, &observed, &random)
      observed.end()
      return HostileOutcome(
        injected: lie.description, queue: "\(isPacked ? "packed" : "split"), \(lie.features.union(.version1))",
        expected: expected,
        error: error, isBroken: isBroken)
    }
  }

  func observedQueue(_ features: VirtioFeatures) throws -> ObservedQueue<Layout> {
    try ObservedQueue(QueueConfiguration(size: size, features: features.union(.version1)), makePath)
  }

  /// What a step throws when it is made a few times.
  private static func firstError(_ step: () throws -> Void) -> (any Error)? {
    for _ in 0..<8 {
      do { try step() } catch { return error }
    }
    return nil
  }
}

/// What came of one violation by a ``HostilePeer``.
public struct HostileOutcome: Sendable, CustomStringConvertible {
  /// The rule that was broken, by its number in `Documentation/rules.md`, and how.
  public let injected: String
  /// The queue: layout and features.
  public let queue: String
  /// What the queues of RingKit throw; for an address that leads nowhere, over a path without an IOMMU.
  public let expected: QueueError
  /// What was thrown; `nil` when the queue believed it, or kept the error to itself.
  public let error: (any Error)?
  /// Whether the queue said afterwards that it is broken.
  public let isBroken: Bool

  /// Whether the violation was noticed for what it is.
  ///
  /// A `QueueError` has to name the rule, or any fault where an address was wrong; another error, and one that was not
  /// passed on, has to leave the queue broken.
  public var isCaught: Bool {
    guard let found = error.flatMap(Self.queueError) else { return isBroken }
    return switch (found, expected) {
    case (.violation(let found), .violation(let expected)): found.rule == expected.rule
    case (.fault, .fault): true
    default: false
    }
  }

  static func queueError(of error: any Error) -> QueueError? {
    (error as? QueueError) ?? (error as? any QueueErrorCarrier)?.queueError
  }

  /// One line.
  public var description: String {
    let came = error.map { "\($0)" } ?? (isBroken ? "the queue broke and no error came" : "the queue believed it")
    return "\(injected) (\(queue)): \(came)"
  }
}

/// An error with a queue's inside.
private protocol QueueErrorCarrier {
  var queueError: QueueError? { get }
}

extension ServeError: QueueErrorCarrier {
  fileprivate var queueError: QueueError? { if case .queue(let error) = self { error } else { nil } }
}
