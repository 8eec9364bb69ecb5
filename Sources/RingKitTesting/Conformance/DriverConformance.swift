internal import CRing
internal import Glibc
internal import RingKit
package import VhostUser

/// The rules of `Documentation/rules.md` that a driver has to keep, looked at while a vhost-user front-end of your own,
/// or of a program such as QEMU or DPDK, uses a device of RingKit's.
///
///     let outcomes = try DriverConformance(.block).run(listening: "/run/blk.sock")
///     #expect(outcomes.filter { $0.verdict == .failed } == [])
///
/// The device does what is legal and what drivers seldom meet: where IN_ORDER does not forbid it buffers come back in
/// another order, it keeps buffers a while before it fetches them, and it takes no table longer than the queue. What
/// the driver writes is looked at before and after; a rule that it gave no occasion to look at is not applicable. The
/// rules of a device are ``DeviceConformance``'s. Runs on the calling thread.
public struct DriverConformance: Sendable {
  private let kind: ConformanceKind
  private let disk: String?
  private let milliseconds: Int
  /// Called on the device's thread instead of a wait of some microseconds: a test changes what is in flight then.
  package var pause: (@Sendable (DriverPause) -> Void)?

  /// Checks of a driver of a kind of device.
  ///
  /// - Parameters:
  ///   - kind: which device the driver gets, not ``ConformanceKind/any``: a disk, a network device that returns every
  ///     frame, or a source of random bytes.
  ///   - disk: the image of a disk, which the driver may write to; `nil`: 64 MiB of zeros that are gone afterwards.
  ///   - milliseconds: how long the driver has to notify the device of what it made available.
  public init(_ kind: ConformanceKind, disk: String? = nil, milliseconds: Int = 2000) {
    precondition(kind != .any, "a driver needs a device of its kind")
    precondition((10...600_000).contains(milliseconds), "a driver has 10 ms to 10 minutes, not \(milliseconds) ms")
    (self.kind, self.disk, self.milliseconds) = (kind, disk, milliseconds)
  }

  /// Waits for a front-end at a socket, and watches its session to the end.
  ///
  /// - Parameters:
  ///   - socket: the path.
  ///   - isOver: true ends the session; asked some times a second.
  ///   - note: told what there is to know meanwhile.
  /// - Returns: what came of each rule.
  /// - Throws: an error that says why there was no session.
  public func run(
    listening socket: String, until isOver: () -> Bool = { false }, note: (String) -> Void = { _ in }
  ) throws -> [ConformanceOutcome] {
    let listener = try VhostUserListener(at: socket)
    note("waiting at \(socket)")
    while true {
      var set = PollSet()
      set.add(listener.fileDescriptor)
      if isOver() { throw PortEnd.unreachable("no front-end came") }
      if try set.wait(milliseconds: 100), let connection = try listener.accept() {
        return try run(connection, until: isOver)
      }
    }
  }

  /// The same over a connection.
  package func run(
    _ connection: VhostUserConnection, until isOver: () -> Bool = { false }
  ) throws -> [ConformanceOutcome] {
    switch kind {
    case .block:
      return try watch(connection, try openDisk(), isOver) { _ in true }
    case .network:
      // Buffers of one received frame stay side by side.
      return try watch(connection, LoopbackDevice(pairCount: 8), isOver) { $0 & 1 == 1 }
    case .entropy, .any:
      return try watch(connection, EntropyDevice(), isOver) { _ in true }
    }
  }

  private func openDisk() throws(BlockImageError) -> BlockDevice {
    var options = BlockOptions()
    options.queueCount = 64
    if let disk { return try BlockDevice(path: disk, options: options) }
    var path = Array("/tmp/ringkit-conform.XXXXXX".utf8CString)
    let file = unsafe mkstemp(&path)
    guard file >= 0 else { throw .system(operation: "making a disk in /tmp", errno: errno) }
    defer {
      close(file)
      unsafe unlink(&path)
    }
    guard ftruncate(file, 64 << 20) == 0 else { throw .system(operation: "making a disk in /tmp", errno: errno) }
    let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return try BlockDevice(path: name, options: options)
  }

  private func watch<Device: VhostUserDevice>(
    _ connection: VhostUserConnection, _ device: Device, _ isOver: () -> Bool, _ reorders: @escaping (Int) -> Bool
  ) throws -> [ConformanceOutcome] {
    let watch = DriverWatch(milliseconds: milliseconds, pause: pause, reorders: reorders)
    let backend = VhostUserBackend(connection, device: device)
    backend.observer = watch
    var moved = cring_nanoseconds()
    do throws(VhostUserError) {
      while !isOver() {
        let isMoving = try backend.step(milliseconds: Int32(min(milliseconds, 20)))
        _ = backend.takeFailures()
        let now = cring_nanoseconds()
        for index in watch.overdue(backend.unnotified, at: now) { try backend.serveUnasked(index) }
        if isMoving { moved = now }
        // A queue that stopped keeps its driver waiting for ever.
        if watch.hasFailed, now - moved > 200_000_000 { break }
      }
    } catch {
      switch error {
      case .closed, .system: break
      default: watch.tally(backend.features).broke("Q8", "\(error)")
      }
    }
    if let tally = watch.tallies.last, backend.counts.messages > 0 { tally.saw("Q8") }
    let seen = watch.tallies.flatMap(Self.outcomes)
    return seen + ConformanceRules.silent(ofDriverBeside: seen)
  }

  /// What came of the rules that a driver gave occasion to look at.
  private static func outcomes(_ tally: DriverTally) -> [ConformanceOutcome] {
    let others = tally.features.subtracting([.version1, .packedRing])
    return ConformanceRules.ofDriver(isPacked: tally.isPacked).compactMap { rule in
      let (count, finding) = (tally.counts[rule] ?? 0, tally.findings[rule])
      if count == 0, finding == nil { return nil }
      return ConformanceOutcome(
        rule: rule, ring: tally.isPacked ? "packed" : "split",
        features: others.isEmpty ? "" : "\(others)",
        check: ConformanceRules.driverTexts[rule] ?? rule, verdict: finding == nil ? .passed : .failed,
        note: finding ?? "looked at \(count) times")
    }
  }
}
