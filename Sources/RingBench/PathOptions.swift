#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import RingKit

/// The options of the IOMMU paths, as text; ``parameters(paths:sizes:)`` gives them a meaning.
struct IOMMUOptions: ParsableArguments {
  private static let mostNanoseconds = 1_000_000

  @Option(
    help: """
      What an exit of viommu costs: process (a request to another process), or injected (a busy wait of --viommu-ns, \
      named so in every figure).
      """,
    completion: ViommuPrice.completion)
  var viommuPrice = "process"

  @Option(parsing: .unconditional, help: "Nanoseconds of an injected exit of viommu.")
  var viommuNs: Int?

  @Option(
    help:
      "Map this much of the payload at once for all buffers in it: off, or a power of two from 4k to 2m (page_frag).")
  var iommuMerge = "off"

  @Option(
    help: "Largest page of the IOMMU: 4k or 2m. (default: what fits a mapping; premapped as --page-size)",
    completion: PageChoice.completion)
  var iommuPages: String?

  /// What they mean for these paths and sizes, or the one reason why they mean nothing.
  func parameters(paths: [DMAPath], sizes: [Int]) throws(BenchError) -> IOMMUParameters {
    var parameters = IOMMUParameters()
    parameters.viommuPrice = try ViommuPrice.parse(viommuPrice)
    parameters.viommuNanoseconds = try exit(parameters.viommuPrice)
    parameters.mergeBytes = try fragment()
    if let iommuPages { parameters.pages = try PageChoice.parse(iommuPages) }
    try parameters.check(paths: paths, sizes: sizes)
    return parameters
  }

  private func exit(_ price: ViommuPrice) throws(BenchError) -> Int {
    switch (price, viommuNs) {
    case (.process, nil): return 0
    case (.process, _?): throw .usage("--viommu-ns is the price of an injected exit; add --viommu-price injected")
    case (.injected, nil): throw .usage("an injected price must be given: add --viommu-ns")
    case (.injected, let price?):
      try (0...Self.mostNanoseconds).check(price, "--viommu-ns")
      return price
    }
  }

  private func fragment() throws(BenchError) -> Int {
    if iommuMerge == "off" { return 0 }
    let bytes = try ByteCount.parse(iommuMerge)
    guard (4_096...(2 << 20)).contains(bytes), bytes & (bytes - 1) == 0 else {
      throw .usage("--iommu-merge is off, or a power of two from 4k to 2m, not '\(iommuMerge)'")
    }
    return bytes
  }
}

/// The options of a secure platform, as text; ``parameters(paths:_:)`` gives them a meaning.
struct IsolationOptions: ParsableArguments {
  @Flag(
    help: """
      A secure platform: measure the paths also with the device in another process, which has mapped the shared pages \
      and nothing else.
      """)
  var isolate = false

  @Flag(help: "With --isolate: run direct or identity all the same, to see the device's access fail.")
  var unsafeForce = false

  @Option(
    help: "With --isolate: where a 'ringbench device --socket' waits. (default: one is started)", completion: .file())
  var deviceSocket: String?

  /// What they mean for the paths that were named, `nil` when none was; or the one reason why they mean nothing.
  func parameters(paths: [DMAPath]?, _ viommuPrice: ViommuPrice) throws(BenchError) -> IsolationParameters {
    var parameters = IsolationParameters()
    guard isolate else {
      if unsafeForce { throw .usage("--unsafe-force concerns a secure platform: add --isolate") }
      if deviceSocket != nil { throw .usage("--device-socket concerns a device in another process: add --isolate") }
      return parameters
    }
    if let deviceSocket { try SocketPath.check(deviceSocket, "--device-socket") }
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
