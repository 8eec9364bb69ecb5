#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
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

  @Flag(help: "Refuse guest memory in files that can be shrunk, which would end this process.")
  var sealed = false

  @Flag(help: "End when the first front-end has gone.")
  var once = false

  @Option(help: "text or json: how what was agreed on and done is written, for each front-end.")
  var format = "text"

  func parameters() throws(BenchError) -> VhostParameters {
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
    return VhostParameters(socket: socket, options: options, isOnce: once, format: try OutputFormat.parse(format))
  }
}
#endif
