#if Bench
import ArgumentParser
import BenchPage
import BenchPlan
import BenchReport
import Glibc
import RingKit
import RingPlatform
import VhostUser

/// Where a vhost-user device waits, and what it offers.
struct VhostOptions: ParsableArguments {
  @Option(help: "Path of the socket to wait at; one that a dead process left there is replaced.")
  var socket: String

  @Option(
    parsing: .upToNextOption,
    help: "Ring features to offer beside VERSION_1: \(VhostRingFeature.names). (default: all of them)")
  var offer: [String] = []

  @Flag(help: "Do not note in shared memory what is in flight: a successor then begins where the ring stands.")
  var noInflight = false

  @Flag(help: "Refuse memory in files that their owner can shrink, and huge pages that this machine does not have.")
  var sealed = false

  @Flag(help: "End when the first front-end has gone.")
  var once = false

  @Option(help: "text or json: how what was agreed on and done is written, for each front-end.")
  var format = "text"

  /// What was asked for, checked.
  struct Parameters {
    let socket: String
    let options: VhostUserOptions
    let isOnce: Bool
    let format: OutputFormat
  }

  func parameters() throws(BenchError) -> Parameters {
    var options = VhostUserOptions()
    if !offer.isEmpty {
      options.ringFeatures = [.version1]
      for feature in try VhostRingFeature.parse(list: offer) { options.ringFeatures.insert(feature.bits) }
    }
    if noInflight { options.protocolFeatures.remove(.inflight) }
    options.mustBeSealed = sealed
    try SocketPath.check(socket, "--socket")
    let format = try OutputFormat.parse(ofReport: format)
    return Parameters(socket: socket, options: options, isOnce: once, format: format)
  }
}

/// How many threads serve a device of several queues.
struct ThreadsOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Threads that serve queues, 1 to 64; with more than one, another one handles what the front-end says.")
  var threads = 1

  func check() throws(BenchError) -> Int {
    guard (1...64).contains(threads) else { throw BenchError.usage("--threads is 1 to 64, not \(threads)") }
    return threads
  }
}

/// The ring features that a vhost-user device can keep to itself.
private enum VhostRingFeature: String, CaseIterable, NamedChoice {
  case indirect
  case eventIndex = "event-idx"
  case inOrder = "in-order"
  case packed
  case accessPlatform = "access-platform"

  static let noun = "ring feature"

  var bits: VirtioFeatures {
    switch self {
    case .indirect: .indirectDescriptors
    case .eventIndex: .eventIndex
    case .inOrder: .inOrder
    case .packed: .packedRing
    case .accessPlatform: .accessPlatform
    }
  }
}

/// Serves one front-end after the other with the same device, until it is told to end.
struct VhostServer<Device: VhostUserDevice> {
  let parameters: VhostOptions.Parameters
  let device: Device
  let kind: DeviceKind
  /// What went wrong with what is behind the device, since the last call.
  var news: () -> [String] = { [] }
  /// What the device did so far: a name and a number each.
  let tally: () -> [(name: String, count: UInt64)]
  /// What ended the last connection, and how many in a row.
  private let endings = Endings()
  private let troubles = Troubles()

  func run() throws {
    try run { (server, isOver, tell) throws(VhostUserError) in
      try server.run(device, options: parameters.options, until: isOver, telling: tell)
    }
  }

  private typealias Serve = (
    VhostUserServer, () -> Bool, (VhostUserServer.Event<Device>) -> Void
  ) throws(VhostUserError) -> Void

  private func run(_ serve: Serve) throws {
    let server: VhostUserServer
    do throws(VhostUserError) { server = try VhostUserServer(at: parameters.socket) } catch {
      throw BenchError.machine(error.description)
    }
    // The reader of its output may go; its guests need the device all the same.
    signal(SIGPIPE, SIG_IGN)
    note("waiting at \(parameters.socket)")
    defer { endings.close() }
    var earlier = tally()
    var failure: (any Error)?
    do throws(VhostUserError) {
      try serve(
        server, { Interrupt.isRequested },
        { event in
          switch event {
          case .serving(let backend): tell(backend)
          case .retrying(let error): note("\(error); trying again")
          case .ended(let backend, let error):
            do { try report(backend, error, since: &earlier) } catch { failure = error }
            if let error, parameters.isOnce { failure = BenchError.check(error.description) }
            if parameters.isOnce || failure != nil { server.stop() }
          }
        })
    } catch { throw BenchError.machine("\(error)") }
    if let failure { throw failure }
  }

  /// What was agreed on and done until a front-end went, and what it did wrong, if that was why.
  private func report(
    _ backend: VhostUserBackend<Device>, _ failure: VhostUserError?,
    since earlier: inout [(name: String, count: UInt64)]
  ) throws {
    tell(backend)
    troubles.close()
    // One that ends by a signal is not the front-end's ending.
    if failure != nil || !Interrupt.isRequested { endings.add(failure.map(text)) }
    let now = tally()
    let did = zip(now, earlier).map { ($0.name, $0.count - $1.count) }
    earlier = now
    let report = VhostReport(backend, kind, did: did, failure: failure)
    let error = StandardStream.output.write(parameters.format == .json ? try JSONText.encode(report) : report.text)
    if error != 0 { note("cannot write to standard output: \(Errno.text(error))") }
  }

  /// Says what went wrong since the last time.
  private func tell(_ backend: VhostUserBackend<Device>) {
    for (index, failure) in backend.takeFailures() { troubles.add("queue \(index) stopped: \(failure)") }
    for text in news() { note(text) }
  }

  private func text(_ failure: VhostUserError) -> String {
    if case .featuresNotOffered(let features) = failure {
      return "features \(kind.featureNames(features)) were not offered"
    }
    return failure.description
  }

  private func note(_ text: String) { StandardStream.error.write("ringbench: \(text)\n") }
}

extension VhostServer where Device: Sendable {
  /// Has so many threads serve the queues.
  func run(threads: Int) throws {
    try run { (server, isOver, tell) throws(VhostUserError) in
      try server.run(device, options: parameters.options, threads: threads, until: isOver, telling: tell)
    }
  }
}

/// Why queues stopped, in as many lines as a reader wants of one connection.
///
/// A guest can break its ring again after each start, and must not fill the host's log with it.
final class Troubles {
  private static let most = 16
  private var count = 0
  private let write: (String) -> Void

  init(_ write: @escaping (String) -> Void = { StandardStream.error.write($0) }) { self.write = write }

  func add(_ text: String) {
    count += 1
    if count <= Self.most { write("ringbench: \(text)\n") }
  }

  /// Says how many came beyond that.
  func close() {
    if count > Self.most { write("ringbench: queues stopped \(count - Self.most) times more\n") }
    count = 0
  }
}

/// Why connections ended: one line for as many in a row as end in the same way.
///
/// A front-end that connects again every second is refused every second.
private final class Endings {
  private var last: String?
  private var repeats = 0

  /// - Parameter text: `nil` of one that was closed by the front-end.
  func add(_ text: String?) {
    if let text, text == last {
      repeats += 1
      return
    }
    close()
    last = text
    if let text { StandardStream.error.write("ringbench: connection ended: \(text)\n") }
  }

  /// Says how often the last one came again.
  func close() {
    if repeats > 0, let last { StandardStream.error.write("ringbench: ended \(repeats) times more: \(last)\n") }
    repeats = 0
  }
}
#endif
