#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench drive`: our driver against a device in another process, ours or another's.
struct DriveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drive",
    abstract: "Drives a vhost-user device of another program: qemu-storage-daemon, DPDK, or 'ringbench device'.",
    discussion: """
      Connects to the back-end's socket, negotiates exactly the features that were asked for (one that the device does \
      not offer is exit code 3), and sends requests round. Times include the checking of every byte, and the device's \
      CPU is its own choice: compare counts before times.

      Examples:
        ringbench drive blk --socket /run/blk.sock --verify --features event-idx
        ringbench drive net --socket /run/net.sock --layout packed --in-order
        ringbench drive rng --socket /run/rng.sock --size 256
        ringbench drive blk --socket /run/blk.sock --verify --reconnect
      """)

  @OptionGroup(title: OptionTitle.what) var what: DriveOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "drive")
    let destination = try report.destination()
    let parameters = try what.parameters()
    let machine = Machine.read()
    let report = try destination.write(start) { progress in
      try DriveMeasurement(parameters, machine, progress).run()
    }
    if let failure = report.failure { throw failure.error }
  }
}

/// What is driven, and how, as text.
struct DriveOptions: ParsableArguments {
  private static let paths: [DMAPath] = [
    .direct, .identity, .iommuStrict, .iommuLazy, .premapped, .swiotlb, .shadow,
  ]
  private static let frameBytes = 64...1514
  /// As many as the device gives at a time.
  private static let randomBytes = 1...65_536

  @Argument(help: "\(DrivenDevice.names): the kind of device at the other end.")
  var device: String

  @Option(help: "The socket at which the device's back-end waits.")
  var socket: String

  @Flag(help: "Wait at the socket for a back-end that connects.")
  var listen = false

  @Option(parsing: .unconditional, help: "Requests, or frames that have to come back.")
  var requests = 100_000

  @Option(
    parsing: .unconditional,
    help: """
      Bytes of a request or frame; k, KiB, m and MiB are understood. (default: 4096 for blk, 1500 for net, 64 for rng)
      """)
  var size: String?

  @Option(
    parsing: .unconditional,
    help: "Requests outstanding. (default: 64, or as many as the queue holds if fewer)")
  var depth: Int?

  @Option(parsing: .unconditional, help: "Descriptors of the ring: for split a power of two, at most 32768.")
  var queueSize = 256

  @Option(help: "\(RingLayout.names).", completion: RingLayout.completion)
  var layout = "split"

  @Flag(help: "Negotiate IN_ORDER.")
  var inOrder = false

  @Option(
    help: "\(RingFeature.names), or none; the device must offer each. Comma list, or repeated. (default: none)",
    completion: RingFeature.completion)
  var features: [String] = []

  @Option(
    help: """
      \(paths.map(\.name).joined(separator: ", ")). The iommu paths and premapped need a device with ACCESS_PLATFORM, \
      which asks for its translations.
      """)
  var path = "direct"

  @Flag(
    help: """
      Tell the device of each mapping before the buffer is made available, and wait for it (iommu paths): for a device \
      that drops what it would have to ask for, as DPDK does with a packed ring.
      """)
  var announce = false

  @Flag(
    help: """
      blk: overwrite the disk from its beginning, flush, read back and compare every byte. Without it blk only reads; \
      net always compares; rng cannot.
      """)
  var verify = false

  @Flag(
    help: """
      Go on with the next back-end at the socket when one goes, for as long as --timeout-ms each time. What is \
      outstanding is handed over with the back-end's notes (INFLIGHT_SHMFD) where it keeps them; otherwise the driver \
      adds it again to an empty ring. Each request comes back once, and may have been done twice.
      """)
  var reconnect = false

  @Option(parsing: .unconditional, help: "Milliseconds to wait for an answer, or for anything to come back.")
  var timeoutMs = 10_000

  /// What the options mean, or the one reason why they mean nothing.
  func parameters() throws(BenchError) -> DriveParameters {
    var parameters = DriveParameters()
    parameters.device = try DrivenDevice.parse(device)
    try SocketPath.check(socket, "--socket")
    parameters.socket = socket
    parameters.listens = listen
    guard requests > 0 else { throw .usage("--requests is 1 or more, not \(requests)") }
    parameters.requests = requests
    parameters.layout = try RingLayout.parse(layout)
    parameters.features = try features(of: features)
    parameters.queueSize = try SizeLimits.queueSize(queueSize, for: [parameters.layout])
    parameters.path = try path(of: path)
    guard !announce || path.hasPrefix("iommu-") else {
      throw .usage("--announce is for the paths iommu-strict and iommu-lazy, not \(path)")
    }
    parameters.announces = announce
    parameters.bytes = try size(for: parameters)
    parameters.depth = try depth(for: parameters)
    guard !verify || parameters.device == .block else {
      throw .usage("--verify is for blk; net always compares, rng cannot")
    }
    parameters.verifies = verify || parameters.device == .net
    guard !reconnect || parameters.device != .entropy else { throw .usage("--reconnect is for blk and net") }
    parameters.reconnects = reconnect
    try (1...600_000).check(timeoutMs, "--timeout-ms")
    parameters.timeoutMilliseconds = timeoutMs
    return parameters
  }

  private func features(of list: [String]) throws(BenchError) -> [RingFeature] {
    var chosen = list.isEmpty ? [] : try RingFeature.parse(listOrNone: list)
    if inOrder && !chosen.contains(.inOrder) { chosen.append(.inOrder) }
    return chosen
  }

  private func path(of name: String) throws(BenchError) -> DMAPath {
    let path = try DMAPath.parse(name)
    guard Self.paths.contains(path) else {
      throw .usage(
        "\(name) is not for a device in another process; choose from: \(Self.paths.map(\.name).joined(separator: ", "))"
      )
    }
    return path
  }

  private func size(for parameters: DriveParameters) throws(BenchError) -> Int {
    let standard = [DrivenDevice.block: "4096", .net: "1500", .entropy: "64"]
    let bytes = try ByteCount.parse(size ?? standard[parameters.device] ?? "")
    if parameters.device == .entropy {
      guard Self.randomBytes.contains(bytes) else {
        throw .usage("a buffer for random bytes has 1 to \(Self.randomBytes.upperBound), not \(bytes)")
      }
      return bytes
    }
    guard parameters.device == .block else {
      guard Self.frameBytes.contains(bytes) else {
        throw .usage("a frame has \(Self.frameBytes.lowerBound) to \(Self.frameBytes.upperBound) bytes, not \(bytes)")
      }
      return bytes
    }
    guard bytes > 0, bytes % 512 == 0 else {
      throw .usage("a block request is a multiple of 512 bytes, not \(bytes)")
    }
    let limit = parameters.path == .swiotlb ? DMAPath.swiotlb.sizeLimit : (1 << 20, "ringbench drives no larger ones")
    guard bytes <= limit.0 else { throw .usage("\(bytes) bytes are more than \(limit.0): \(limit.1)") }
    return bytes
  }

  private func depth(for parameters: DriveParameters) throws(BenchError) -> Int {
    let most = parameters.queueSize / parameters.descriptorsPerRequest
    guard most > 0 else {
      throw .usage(
        "a queue of \(parameters.queueSize) has no room for a request of \(parameters.descriptorsPerRequest) "
          + "descriptors; raise --queue-size or add --features indirect"
      )
    }
    let wanted = depth ?? min(64, most)
    guard (1...most).contains(wanted) else {
      throw .usage("--depth is 1 to \(most) in a queue of \(parameters.queueSize), not \(wanted)")
    }
    guard wanted * parameters.bytes <= 256 << 20 else {
      throw .usage("\(wanted) requests of \(parameters.bytes) bytes need more than 256 MiB; lower --depth or --size")
    }
    return wanted
  }
}
#endif
