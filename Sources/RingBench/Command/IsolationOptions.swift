#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// The options of a secure platform, as text; ``parameters(paths:_:)`` gives them a meaning.
struct IsolationOptions: ParsableArguments {
  @Flag(
    help: """
      A secure platform: measure the paths also with the device in another process, which has mapped the shared pages and \
      nothing else.
      """)
  var isolate = false

  @Flag(help: "With --isolate: run direct or identity all the same, to see the device's access fail.")
  var unsafeForce = false

  @Option(help: "With --isolate: where a 'ringbench device --socket' waits. (default: one is started)")
  var deviceSocket: String?

  /// What they mean for the paths that were named, `nil` when none was; or the one reason why they mean nothing.
  func parameters(paths: [DMAPath]?, _ viommuPrice: ViommuPrice) throws(BenchError) -> IsolationParameters {
    var parameters = IsolationParameters()
    guard isolate else {
      if unsafeForce { throw .usage("--unsafe-force concerns a secure platform: add --isolate") }
      if deviceSocket != nil { throw .usage("--device-socket concerns a device in another process: add --isolate") }
      return parameters
    }
    parameters.socketPath = deviceSocket
    guard let paths else {
      if unsafeForce { throw .usage("--unsafe-force concerns direct and identity: name one with --path") }
      parameters.paths = DMAPath.allCases.filter { $0.isolationRefusal(viommuPrice: viommuPrice) == nil }
      return parameters
    }
    for path in paths {
      guard let refusal = path.isolationRefusal(viommuPrice: viommuPrice) else { continue }
      guard unsafeForce, path.canBeForced else { throw .machine(refusal) }
      parameters.isForced = true
    }
    if unsafeForce, !parameters.isForced {
      throw .usage("--unsafe-force concerns direct and identity: name one with --path")
    }
    parameters.paths = paths
    return parameters
  }
}
#endif
