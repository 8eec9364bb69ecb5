#if Bench
import ArgumentParser
import BenchHarness
import BenchReport
import Glibc
import RingKitTesting

/// `ringbench conform`: the rules of the rings, held against a vhost-user back-end or front-end.
struct ConformCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conform",
    abstract: "Checks a vhost-user back-end or front-end against the rules of the rings, by their numbers.",
    usage: "ringbench conform (--socket PATH | --listen PATH) [--kind KIND] [options]",
    discussion: """
      With --socket a driver sends legal input that is rare: every framing, chains and indirect tables of the queue's \
      full length, indices at their wrap, event indices at their edges, queues of any size, begun in the middle of \
      their ring, stopped with requests in flight. With --hostile also what breaks a rule, which a device has to \
      survive. Each check connects anew. A disk is read and never written.

      With --listen a device waits for one front-end, such as QEMU or DPDK, serves it, and watches what its driver \
      writes into the rings, until the front-end leaves. It gives buffers back out of order where it may. What the \
      driver gave no occasion to look at is not applicable.

      The numbers are those of Documentation/rules.md. Exit codes: 1 a rule was broken, 3 no other end can be reached.

      Examples:
        ringbench conform --socket /run/blk.sock
        ringbench conform --socket /run/net.sock --kind net --hostile --format junit
        ringbench conform --listen /run/blk.sock --time-limit 120
      """)

  @OptionGroup(title: OptionTitle.what) var what: ConformOptions
  @OptionGroup(title: OptionTitle.output) var destination: ConformOutput

  func run() throws {
    let format = try ConformFormat.parse(destination.format)
    guard let kind = ConformanceKind(rawValue: what.kind) else {
      let kinds = ConformanceKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw BenchError.usage("there is no kind '\(what.kind)'; choose from: \(kinds)")
    }
    try (10...600_000).check(what.timeoutMs, "--timeout-ms")
    let (socket, isOfDriver) = try what.otherEnd(kind)
    let file = try OutputFile.checked(destination.output)
    let outcomes = isOfDriver ? try watch(kind, socket) : try drive(kind, socket)
    let report = ConformReport(
      socket: socket, isOfDriver: isOfDriver, kind: kind.rawValue, isHostile: what.hostile,
      outcomes.map { ConformRow($0) })
    switch format {
    case .text: try OutputFile.deliver(report.text(), to: file)
    case .json: try OutputFile.deliver(JSONText.encode(report), to: file)
    case .junit: try OutputFile.deliver(report.junit(), to: file)
    }
    if let failure = report.failure { throw BenchError.check(failure) }
    if Interrupt.isRequested { Glibc.exit(Interrupt.exitCode) }
  }

  private func drive(_ kind: ConformanceKind, _ socket: String) throws -> [ConformanceOutcome] {
    Interrupt.endAtOnce()
    let progress = Progress()
    defer { progress.clear() }
    var count = 0
    do {
      return try DeviceConformance(kind, isHostile: what.hostile, milliseconds: what.timeoutMs).run(socket: socket) {
        count += 1
        progress.update("\(count) checks; \($0.rule) (\($0.ring)) \($0.verdict.rawValue)")
      }
    } catch { throw BenchError.machine("\(socket): \(error)") }
  }

  /// A signal ends the session, and what was seen until then is reported.
  private func watch(_ kind: ConformanceKind, _ socket: String) throws -> [ConformanceOutcome] {
    let conformance = DriverConformance(kind, disk: what.file, milliseconds: what.timeoutMs)
    let end = ContinuousClock.now + .seconds(what.timeLimit ?? 1e6)
    do {
      return try conformance.run(listening: socket) {
        Interrupt.isRequested || ContinuousClock.now >= end
      } note: {
        StandardStream.error.write("ringbench: \($0)\n")
      }
    } catch { throw BenchError.machine("\(socket): \(error)") }
  }
}

/// What is checked.
struct ConformOptions: ParsableArguments {
  @Option(help: "Check the back-end that waits at this socket.", completion: .file())
  var socket: String?

  @Option(help: "Wait at this socket for a front-end, and check its driver.", completion: .file())
  var listen: String?

  @Option(
    help: "blk, net, rng or any: which device it is; any: only what needs no request is checked, with --socket.",
    completion: .list(ConformanceKind.allCases.map(\.rawValue)))
  var kind = "blk"

  @Flag(help: "Break rules too, each in a session of its own (with --socket).")
  var hostile = false

  @Option(
    help: "The image of the disk that a driver gets; it may write to it. (with --listen; default: 64 MiB of zeros)",
    completion: .file())
  var file: String?

  @Option(
    parsing: .unconditional,
    help: "Milliseconds for an answer, or for a driver's notification; what takes longer has failed.")
  var timeoutMs = 2000

  @Option(
    parsing: .unconditional, help: "Seconds after which --listen ends. (default: when the front-end leaves)")
  var timeLimit: Double?

  /// The socket, and whether a driver is checked there.
  func otherEnd(_ kind: ConformanceKind) throws(BenchError) -> (String, isOfDriver: Bool) {
    switch (socket, listen) {
    case (let socket?, nil):
      guard file == nil, timeLimit == nil else { throw .usage("--file and --time-limit are for --listen") }
      try SocketPath.check(socket, "--socket")
      return (socket, false)
    case (nil, let listen?):
      guard !hostile else { throw .usage("--hostile is for --socket: a device breaks no rule here") }
      guard kind != .any else { throw .usage("--listen needs the kind of device that the driver is for, not any") }
      guard kind == .block || file == nil else { throw .usage("--file is for --kind blk") }
      guard (0.1...1e6).contains(timeLimit ?? 1) else {
        throw .usage("--time-limit is 0.1 to 1000000 seconds, not \(timeLimit ?? 0)")
      }
      try SocketPath.check(listen, "--listen")
      return (listen, true)
    default: throw .usage("say which end is checked: --socket PATH or --listen PATH")
    }
  }
}

/// Where the report goes.
struct ConformOutput: ParsableArguments {
  @Option(help: "\(ConformFormat.names).", completion: ConformFormat.completion)
  var format = "text"

  @Option(help: "Write the report to this file. (default: standard output)", completion: .file())
  var output: String?
}

extension ConformRow {
  fileprivate init(_ outcome: ConformanceOutcome) {
    let verdict: Verdict =
      switch outcome.verdict {
      case .passed: .passed
      case .failed: .failed
      case .refused: .refused
      case .notApplicable: .notApplicable
      }
    self.init(
      rule: outcome.rule, ring: outcome.ring, features: outcome.features, check: outcome.check, verdict: verdict,
      note: outcome.note)
  }
}
#endif
