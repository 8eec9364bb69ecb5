#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns
import RingKit

/// `ringbench exhaust`: what becomes of a queue whose bounce pool is too small.
struct ExhaustCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exhaust",
    abstract: "Counts the maps that fail when a swiotlb pool is too small, and checks how the ring recovers.",
    discussion: """
      A buffer that finds no slots stays with the driver, which tries it again once something came back. Every byte \
      and the order of all buffers are checked; a lost, swapped or damaged one, or a queue that stands still, ends the \
      run with exit code 1. Buffers above 256 KiB are refused whatever the pool.

      Examples:
        ringbench exhaust
        ringbench exhaust --pool 1MiB --depth 16,64 --size 4KiB --mode interleaved
      """)

  @OptionGroup(title: OptionTitle.what) var what: ExhaustOptions
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "exhaust")
    let destination = try report.destination()
    let machine = Machine.read()
    let parameters = try what.parameters(cpus, on: machine)
    try destination.write(start, cpus: [parameters.driverCPU], areTimes: false) { progress in
      try ExhaustMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }
}

/// What is exhausted, as text.
struct ExhaustOptions: ParsableArguments {
  @Option(help: "\(ExhaustMode.names). \(OptionTitle.lists) (default: both)", completion: ExhaustMode.completion)
  var mode: [String] = []

  @Option(help: "\(RingLayout.names). \(OptionTitle.lists) (default: split)", completion: RingLayout.completion)
  var ring: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Bytes of the pool, whole segments of 256 KiB. \(OptionTitle.lists) (default: 256KiB,1MiB,4MiB)")
  var pool: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help:
      "Areas of the pool: per-cpu, or 1 to 128, rounded up to a power of two. \(OptionTitle.lists) (default: 1,per-cpu)"
  )
  var swiotlbAreas: [String] = []

  @Option(
    parsing: .unconditionalSingleValue, help: "Buffers outstanding at most. \(OptionTitle.lists) (default: 32,128)")
  var depth: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help:
      "Bytes of a buffer; beyond 256 KiB every map is refused. \(OptionTitle.lists) (default: 1500,4KiB,64KiB,262145)")
  var size: [String] = []

  @Option(help: "device-readable, device-writable. \(OptionTitle.lists) (default: device-readable)")
  var direction: [String] = []

  @Option(parsing: .unconditional, help: "Descriptors of the ring: for split a power of two, at most 32768.")
  var queueSize = 256

  @Option(parsing: .unconditional, help: "Buffers the device serves at a time.")
  var batch = 32

  @Option(parsing: .unconditional, help: "Buffers of each combination.")
  var buffers = 2_048

  private static let mostBytes = 1 << 30

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(_ cpus: CPUOptions, on machine: Machine) throws(BenchError) -> ExhaustParameters {
    var parameters = ExhaustParameters()
    if !mode.isEmpty { parameters.modes = try ExhaustMode.parse(list: mode) }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    if !direction.isEmpty { parameters.directions = try DMADirection.parse(list: direction) }
    if !pool.isEmpty {
      parameters.pools = try ListArgument.bytes(pool) {
        $0 > 0 && $0 % SwiotlbPool.maximumMappingByteCount == 0 && $0 <= Self.mostBytes
      } else: {
        "a pool is 256 KiB to 1 GiB in whole segments of 256 KiB, not \($0)"
      }
    }
    if !size.isEmpty {
      parameters.sizes = try ListArgument.bytes(size) {
        (1...(16 << 20)).contains($0)
      } else: {
        "--size is 1 byte to 16 MiB, not \($0)"
      }
    }
    if !depth.isEmpty {
      parameters.depths = try ListArgument.parse(depth) { text throws(BenchError) in
        guard let number = Int(text), number > 0 else { throw .usage("--depth is a number from 1 on, not '\(text)'") }
        return number
      }
    }
    parameters.areas = try ListArgument.parse(swiotlbAreas.isEmpty ? ["1", "per-cpu"] : swiotlbAreas) {
      text throws(BenchError) in
      if text == "per-cpu" { return machine.cpus.count }
      guard let number = Int(text), (1...128).contains(number) else {
        throw .usage("--swiotlb-areas is per-cpu or 1 to 128, not '\(text)'")
      }
      return number
    }
    parameters.queueSize = try SizeLimits.queueSize(queueSize, for: parameters.rings)
    if depth.isEmpty {
      // Defaults fit the queue size that was given.
      let fitting = parameters.depths.filter { $0 <= queueSize }
      parameters.depths = fitting.isEmpty ? [queueSize] : fitting
    }
    guard batch > 0 else { throw .usage("--batch starts at 1") }
    try (1...10_000_000).check(buffers, "--buffers")
    parameters.batch = batch
    parameters.buffers = buffers
    try check(parameters)
    if parameters.modes.contains(.threads) {
      (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
    } else {
      parameters.driverCPU = cpus.driverCpu ?? machine.cpus.first ?? 0
    }
    return parameters
  }

  private func check(_ parameters: ExhaustParameters) throws(BenchError) {
    for depth in parameters.depths {
      guard depth <= queueSize else {
        throw .usage(
          "a ring of \(queueSize) descriptors cannot hold \(depth) buffers; lower --depth or raise --queue-size")
      }
      for size in parameters.sizes where Payload.stride(for: size) * depth > Self.mostBytes {
        throw .usage("\(depth) buffers of \(size) bytes need more than 1 GiB; lower --depth or --size")
      }
    }
    for pool in parameters.pools {
      let segments = pool / SwiotlbPool.maximumMappingByteCount
      for areas in parameters.areas where segments % ExhaustParameters.areas(areas, of: pool) != 0 {
        throw .usage(
          "a pool of \(NumberText.bytes(pool)) is \(segments) segments, which \(areas) areas cannot share evenly; "
            + "choose another --pool"
        )
      }
    }
  }
}
#endif
