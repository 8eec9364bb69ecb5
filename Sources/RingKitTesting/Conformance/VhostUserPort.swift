internal import CRing
internal import RingKit
internal import RingPlatform
internal import VhostUser

/// A session with a vhost-user back-end, over a socket or with a device on a thread of this process.
final class VhostUserPort: ConformancePort {
  private var session: VhostUserFrontend?
  private let doorbells: [(kick: EventDoorbell, call: EventDoorbell)]
  private(set) var configuration: [UInt8] = []
  // Ends when the front-end has gone.
  private var server: TestThread?

  init(
    _ connection: VhostUserConnection, _ kind: ConformanceKind, features: VirtioFeatures, milliseconds: Int,
    server: TestThread? = nil
  ) throws(PortEnd) {
    let frontend = VhostUserFrontend(connection, timeout: milliseconds)
    session = frontend
    self.server = server
    let queues = kind == .network ? 2 : 1
    do throws(MemoryError) {
      var made: [(kick: EventDoorbell, call: EventDoorbell)] = []
      for _ in 0..<queues { made.append((try .forPeer(), try .forPeer())) }
      doorbells = made
    } catch { throw .unreachable("\(error)") }
    let isBlock = kind == .block
    try Self.carrying { () throws(FrontendError) in
      try frontend.negotiate(
        isBlock ? BlockLimits.features : [], required: features, of: kind.deviceKind,
        protocolFeatures: isBlock ? .config : [], queues: queues)
      if isBlock { configuration = try frontend.config(offset: 0, byteCount: BlockLimits.byteCount) }
    }
  }

  deinit { close() }

  func close() {
    // Its end is what the thread at the other end waits for.
    session = nil
    server?.join()
    server = nil
  }

  private var frontend: VhostUserFrontend {
    guard let session else { preconditionFailure("a session is used before its end") }
    return session
  }

  var now: UInt64 { cring_nanoseconds() }
  var offered: VirtioFeatures { frontend.offeredFeatures }
  var features: VirtioFeatures { frontend.features }

  func share(_ memory: GuestMemory) throws(PortEnd) {
    try Self.carrying { () throws(FrontendError) in try frontend.share(memory) }
  }

  func start(_ queue: Int, _ ring: RingMemory, base: UInt32) throws(PortEnd) {
    let setup: VringSetup
    do throws(ConfigurationError) {
      // Setting a ring up clears nothing: that is for a queue end.
      setup =
        ring.isPacked
        ? VringSetup(
          try PackedRing(
            descriptors: ring.descriptors, driverEvent: ring.driverArea, deviceEvent: ring.deviceArea, size: ring.size),
          kick: doorbells[queue].kick, call: doorbells[queue].call)
        : VringSetup(
          try SplitRing(
            descriptors: ring.descriptors, available: ring.driverArea, used: ring.deviceArea, size: ring.size),
          kick: doorbells[queue].kick, call: doorbells[queue].call)
    } catch { throw .wrong("\(error)") }
    try Self.carrying { () throws(FrontendError) in try frontend.start(queue, setup, at: base) }
  }

  func kick(_ queue: Int) { doorbells[queue].kick.ring() }

  func takeCall(_ queue: Int) -> Bool { doorbells[queue].call.take() }

  func wait(milliseconds: Int32) throws(PortEnd) {
    if milliseconds > 0 {
      var set = PollSet()
      for descriptor in frontend.fileDescriptors { set.add(descriptor) }
      do throws(VhostUserError) { _ = try set.wait(milliseconds: milliseconds) } catch { throw .wrong("\(error)") }
    }
    try Self.carrying { () throws(FrontendError) in try frontend.service() }
  }

  func stop(_ queue: Int) throws(PortEnd) -> UInt32 {
    try Self.carrying { () throws(FrontendError) in try frontend.stop(queue) }
  }

  private static func carrying<Value>(_ body: () throws(FrontendError) -> Value) throws(PortEnd) -> Value {
    do throws(FrontendError) { return try body() } catch {
      switch error {
      case .missingFeatures(let features, _): throw .missing(features)
      case .refused, .missingProtocolFeatures, .tooFewQueues, .negotiation: throw .refused("\(error)")
      case .connection(.closed), .connection(.truncated): throw .closed("\(error)")
      case .unanswered: throw .unanswered("\(error)")
      default: throw .wrong("\(error)")
      }
    }
  }

  /// Sessions with the back-end that listens at a path.
  static func connector(to path: String, _ kind: ConformanceKind, milliseconds: Int) -> ConformanceConnector {
    return { (features: VirtioFeatures) throws(PortEnd) in
      let connection: VhostUserConnection
      do throws(VhostUserError) {
        connection = try VhostUserConnection(connectingTo: path, timeout: milliseconds)
      } catch { throw .unreachable("\(error)") }
      return try VhostUserPort(connection, kind, features: features, milliseconds: milliseconds)
    }
  }

  /// Sessions with a device that is made for each of them, and served by a thread of its own.
  static func connector<Device: VhostUserDevice & SendableMetatype>(
    _ kind: ConformanceKind, _ options: VhostUserOptions, milliseconds: Int,
    _ makeDevice: @escaping @Sendable () -> Device
  ) -> ConformanceConnector {
    return { (features: VirtioFeatures) throws(PortEnd) in
      let near: VhostUserConnection
      let served: ServedConnection
      do throws(VhostUserError) {
        let (first, second) = try VhostUserConnection.pair()
        (near, served) = (first, ServedConnection(second))
      } catch { throw .unreachable("\(error)") }
      let server = TestThread {
        guard let connection = served.take() else { return }
        let backend = VhostUserBackend(connection, device: makeDevice(), options: options)
        // Ends with the connection, which the front-end closes.
        try? backend.run { false }
      }
      return try VhostUserPort(near, kind, features: features, milliseconds: milliseconds, server: server)
    }
  }
}

/// A connection on its way to the thread that serves it.
final class ServedConnection: @unchecked Sendable {
  private var connection: VhostUserConnection?

  init(_ connection: VhostUserConnection) { self.connection = connection }

  func take() -> VhostUserConnection? {
    defer { connection = nil }
    return connection
  }
}

extension ConformanceKind {
  var deviceKind: DeviceKind {
    switch self {
    case .block: .block
    case .network: .network
    case .entropy, .any: .entropy
    }
  }
}
