#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform

/// The options of `ringbench exhaust`, as text; ``parameters(on:)`` gives them a meaning.
struct ExhaustOptions: ParsableArguments {
  private static let lists = "Comma list, or repeated."

  @Option(help: "\(ExhaustMode.names). \(lists) (default: both)")
  var mode: [String] = []

  @Option(help: "\(RingLayout.names). \(lists) (default: split)")
  var ring: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Bytes of the pool, whole segments of 256 KiB. \(lists) (default: 256KiB,1MiB,4MiB)")
  var pool: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Areas of the pool: per-cpu, or 1 to 128, rounded up to a power of two. \(lists) (default: 1,per-cpu)")
  var swiotlbAreas: [String] = []

  @Option(parsing: .unconditionalSingleValue, help: "Buffers outstanding at most. \(lists) (default: 32,128)")
  var depth: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Bytes of a buffer; beyond 256 KiB every map is refused. \(lists) (default: 1500,4KiB,64KiB,262145)")
  var size: [String] = []

  @Option(help: "device-readable, device-writable. \(lists) (default: device-readable)")
  var direction: [String] = []

  @Option(parsing: .unconditional, help: "Descriptors of the ring: for split a power of two, at most 32768.")
  var queueSize = 256

  @Option(parsing: .unconditional, help: "Buffers the device serves at a time.")
  var batch = 32

  @Option(parsing: .unconditional, help: "Buffers of each combination.")
  var buffers = 2_048

  @OptionGroup var cpus: CPUOptions
  @OptionGroup var report: ReportOptions

  private static let mostPayloadBytes = 1 << 30
  private static let mostPoolBytes = 1 << 30

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> ExhaustParameters {
    var parameters = ExhaustParameters()
    if !mode.isEmpty { parameters.modes = try ExhaustMode.parse(list: mode) }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    if !direction.isEmpty { parameters.directions = try DMADirection.parse(list: direction) }
    if !pool.isEmpty {
      parameters.pools = try Self.list(pool, "--pool") { text throws(BenchError) in try Self.pool(text) }
    }
    if !size.isEmpty {
      parameters.sizes = try Self.list(size, "--size") { text throws(BenchError) in try Self.size(text) }
    }
    if !depth.isEmpty {
      parameters.depths = try Self.list(depth, "--depth") { text throws(BenchError) in try number(text) }
    }
    let areas = swiotlbAreas.isEmpty ? ["1", "per-cpu"] : swiotlbAreas
    parameters.areas = try Self.list(areas, "--swiotlb-areas") { text throws(BenchError) in
      try Self.areas(text, on: machine)
    }
    parameters.queueSize = try SizeLimits.queueSize(queueSize, for: parameters.rings)
    guard batch > 0 else { throw .usage("--batch starts at 1") }
    guard (1...10_000_000).contains(buffers) else { throw .usage("--buffers is 1 to 10000000, not \(buffers)") }
    parameters.batch = batch
    parameters.buffers = buffers
    try check(&parameters, on: machine)
    return parameters
  }

  private func check(_ parameters: inout ExhaustParameters, on machine: Machine) throws(BenchError) {
    for depth in parameters.depths {
      guard depth <= queueSize else {
        throw .usage(
          "a ring of \(queueSize) descriptors cannot hold \(depth) buffers; lower --depth or raise --queue-size")
      }
      for size in parameters.sizes where PayloadPool.stride(for: size) * depth > Self.mostPayloadBytes {
        throw .usage("\(depth) buffers of \(size) bytes need more than 1 GiB; lower --depth or --size")
      }
    }
    for pool in parameters.pools {
      let segments = pool / SwiotlbPool.maximumMappingByteCount
      for areas in parameters.areas where segments % ExhaustParameters.areas(areas, of: pool) != 0 {
        throw .usage(
          "a pool of \(NumberText.bytes(pool)) is \(segments) segments, which \(areas) areas cannot share evenly; choose another --pool"
        )
      }
    }
    guard parameters.modes.contains(.threads) else {
      parameters.driverCPU = cpus.driverCpu ?? machine.cpus.first ?? 0
      return
    }
    (parameters.driverCPU, parameters.deviceCPU) = try cpus.pair(on: machine)
  }

  private static func list<Element: Equatable>(
    _ arguments: [String], _ option: String, _ parse: (String) throws(BenchError) -> Element
  ) throws(BenchError) -> [Element] {
    var values: [Element] = []
    for text in ListArgument.elements(arguments) {
      let value = try parse(text)
      if !values.contains(value) { values.append(value) }
    }
    guard !values.isEmpty else { throw .usage("\(option) has an empty list") }
    return values
  }

  private static func pool(_ text: String) throws(BenchError) -> Int {
    let bytes = try ByteCount.parse(text)
    let segment = SwiotlbPool.maximumMappingByteCount
    guard bytes > 0, bytes % segment == 0, bytes <= mostPoolBytes else {
      throw .usage("a pool is 256 KiB to 1 GiB in whole segments of 256 KiB, not \(text)")
    }
    return bytes
  }

  private static func size(_ text: String) throws(BenchError) -> Int {
    let bytes = try ByteCount.parse(text)
    guard (1...(16 << 20)).contains(bytes) else { throw .usage("--size is 1 byte to 16 MiB, not \(text)") }
    return bytes
  }

  private func number(_ text: String) throws(BenchError) -> Int {
    guard let number = Int(text), number > 0 else { throw .usage("--depth is a number from 1 on, not '\(text)'") }
    return number
  }

  private static func areas(_ text: String, on machine: Machine) throws(BenchError) -> Int {
    if text == "per-cpu" { return machine.cpus.count }
    guard let number = Int(text), (1...128).contains(number) else {
      throw .usage("--swiotlb-areas is per-cpu or 1 to 128, not '\(text)'")
    }
    return number
  }
}
#endif
