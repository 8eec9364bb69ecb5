#if Bench
import ArgumentParser
import BenchHarness
import BenchReport
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
    guard !socket.isEmpty, socket.utf8.count <= 107 else {
      throw .usage("--socket is a path of 1 to 107 bytes, not of \(socket.utf8.count)")
    }
    let format = try OutputFormat.parse(ofReport: format)
    return Parameters(socket: socket, options: options, isOnce: once, format: format)
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

  func run() throws {
    let listener: VhostUserListener
    do throws(VhostUserError) { listener = try VhostUserListener(at: parameters.socket) } catch {
      throw BenchError.machine(error.description)
    }
    note("waiting at \(parameters.socket)")
    defer { endings.close() }
    while !Interrupt.isRequested {
      guard let connection = try accept(listener) else { continue }
      let failure = try serve(connection)
      if parameters.isOnce {
        guard failure == nil || failure == .closed else { throw BenchError.check(failure?.description ?? "") }
        return
      }
    }
  }

  /// The next front-end, `nil` when none came for a while, or none can be taken at this moment.
  private func accept(_ listener: VhostUserListener) throws(BenchError) -> VhostUserConnection? {
    do throws(VhostUserError) {
      var set = PollSet()
      set.add(listener.fileDescriptor)
      guard try set.wait(milliseconds: 500) else { return nil }
      return try listener.accept()
    } catch {
      guard error.isOfTheMoment else { throw .machine("\(error)") }
      note("\(error); trying again")
      // The front-end waits in the queue of the socket, which stays readable.
      var pause = PollSet()
      _ = try? pause.wait(milliseconds: 500)
      return nil
    }
  }

  /// Serves until the front-end goes; what it did wrong, if that was why.
  private func serve(_ connection: VhostUserConnection) throws -> VhostUserError? {
    let backend = VhostUserBackend(connection, device: device, options: parameters.options)
    let earlier = tally()
    var failure: VhostUserError?
    do throws(VhostUserError) {
      try backend.run {
        tell(backend)
        return Interrupt.isRequested
      }
    } catch { failure = error }
    tell(backend)
    if let failure { endings.add(failure == .closed ? nil : text(failure)) }
    let did = zip(tally(), earlier).map { ($0.name, $0.count - $1.count) }
    let report = VhostReport(backend, kind, did: did, failure: failure)
    StandardStream.output.write(parameters.format == .json ? try JSONText.encode(report) : report.text)
    return failure
  }

  /// Says what went wrong since the last time.
  private func tell(_ backend: VhostUserBackend<Device>) {
    for (index, failure) in backend.takeFailures() { note("queue \(index) stopped: \(failure)") }
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
