public import VhostUser

/// The rules of `Documentation/rules.md` that a device has to keep, as checks of a vhost-user device of your own, or of
/// a back-end in another process.
///
///     let outcomes = try DeviceConformance(.block).run { MyDisk() }
///     #expect(outcomes.filter { $0.verdict == .failed } == [])
///
/// A driver that shares no code with RingKit's queues sends legal input that is rare: every framing, chains and tables
/// of the queue's full length, indices at their wrap, queues of any size, stopped and started again. With `isHostile`
/// also input that breaks a rule, which a device has to survive. Each check has a session and memory of its own. Runs
/// on the calling thread, in some seconds.
///
/// `QueueChecks` is for a ring layout, `PathChecks` for a DMA path.
public struct DeviceConformance: Sendable {
  private let kind: ConformanceKind
  private let isHostile: Bool
  private let milliseconds: Int

  /// Checks of a kind of device.
  ///
  /// - Parameters:
  ///   - kind: which requests the device understands.
  ///   - isHostile: whether rules are broken too.
  ///   - milliseconds: how long an answer may take; a device that takes longer has failed.
  public init(_ kind: ConformanceKind, isHostile: Bool = false, milliseconds: Int = 2000) {
    precondition((10...600_000).contains(milliseconds), "an answer has 10 ms to 10 minutes, not \(milliseconds) ms")
    (self.kind, self.isHostile, self.milliseconds) = (kind, isHostile, milliseconds)
  }

  /// Checks a device, which is made anew for each session and served on a thread of its own.
  ///
  /// - Parameters:
  ///   - options: what the back-end offers beside the device's features.
  ///   - makeDevice: called on that thread.
  /// - Returns: what came of each check, and of each rule without one.
  /// - Throws: an error that says why there is no session at all.
  public func run<Device: VhostUserDevice & SendableMetatype>(
    _ options: VhostUserOptions = VhostUserOptions(), _ makeDevice: @escaping @Sendable () -> Device
  ) throws -> [ConformanceOutcome] {
    try run(VhostUserPort.connector(kind, options, milliseconds: milliseconds, makeDevice)) { _ in }
  }

  /// Checks the back-end that listens at a socket and takes one session after the other.
  ///
  /// - Parameters:
  ///   - socket: the path.
  ///   - note: told of each outcome as it is known.
  /// - Returns: what came of each check, and of each rule without one.
  /// - Throws: an error that says why there is no session at all.
  public func run(
    socket: String, note: @escaping (ConformanceOutcome) -> Void = { _ in }
  ) throws -> [ConformanceOutcome] {
    try run(VhostUserPort.connector(to: socket, kind, milliseconds: milliseconds), note: note)
  }

  /// The same over any transport, for one layout or both.
  package func run(
    _ connect: @escaping ConformanceConnector, onPacked isPacked: Bool? = nil,
    note: @escaping (ConformanceOutcome) -> Void
  ) throws(PortEnd) -> [ConformanceOutcome] {
    try ConformanceRun(kind, milliseconds: milliseconds, note: note, connect)
      .run(on: isPacked.map { [$0] } ?? [false, true], isHostile: isHostile)
  }
}

/// What kind of device is under test: which requests it understands.
public enum ConformanceKind: String, CaseIterable, Sendable {
  /// virtio-blk: its disk is read, and never written.
  case block = "blk"
  /// virtio-net: frames are sent through the first pair of queues, and looked at where they come back.
  case network = "net"
  /// virtio-rng.
  case entropy = "rng"
  /// Any other: only what needs no request is checked.
  case any
}

/// What came of one check of one rule.
public struct ConformanceOutcome: Equatable, Sendable, CustomStringConvertible {
  /// What the device did with what it was sent.
  public enum Verdict: String, Sendable {
    /// As the rule has it.
    case passed
    /// Otherwise.
    case failed
    /// It refused what it need not support, such as a queue of this size.
    case refused
    /// The rule says nothing of this device, or cannot be seen from outside.
    case notApplicable = "not applicable"
  }

  /// The rule's number in `Documentation/rules.md`.
  public let rule: String
  /// `split` or `packed`.
  public let ring: String
  /// The ring features that were agreed on, beside VERSION_1 and the layout's; empty for none.
  public let features: String
  /// What was tried.
  public let check: String
  /// What came of it.
  public let verdict: Verdict
  /// What was sent and seen, or why not; `nil` where there is nothing to say.
  public let note: String?

  /// One line.
  public var description: String {
    "\(rule) \(verdict.rawValue): \(check) (\(ring)\(features.isEmpty ? "" : ", \(features)"))"
      + (note.map { ": \($0)" } ?? "")
  }
}
