#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench ring`: the rings alone, beside the smallest program that moves the same cache lines.
struct RingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ring",
    abstract: "Measures the rings alone against their floor: the same cache lines with nothing around them.",
    discussion: """
      The payload is not touched and addresses go straight into descriptors (path direct). Each ring takes turns with \
      a C program that moves the same lines between the same two threads without checks, bookkeeping or interface; \
      of several such programs the fastest is the floor.

      Examples:
        ringbench ring
        ringbench ring --ring packed --batch 1,4,16,32,64,128 --format json
        ringbench ring --chain 3 --indirect off,on --outstanding 16
        ringbench ring --notification eventfd --outstanding 1
      """)

  @OptionGroup(title: OptionTitle.what) var what: RingOptions
  @OptionGroup(title: OptionTitle.duration) var duration: DurationOptions<RingDuration>
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.output) var output: SliceOutput

  func run() throws {
    try output.run("ring") { machine throws(BenchError) in
      try what.parameters(duration, cpus, on: machine)
    } _: { parameters, machine, progress throws(BenchError) in
      if parameters.impossible > 0 {
        progress.warn("\(parameters.impossible) of the combinations fit into no ring and are left out")
      }
      return try RingMeasurement(parameters: parameters, machine: machine).run(progress: progress)
    }
  }
}

/// How often and how long.
enum RingDuration: DurationDefaults {
  static let (slices, milliseconds, seconds) = (150, 1.0, 45.0)
  static let (unit, whole) = ("point", "everything, what is set up and calibrated included")
}

/// Which rings are measured, as text.
struct RingOptions: ParsableArguments {
  @Option(help: "\(RingLayout.names). \(OptionTitle.lists) (default: both)", completion: RingLayout.completion)
  var ring: [String] = []

  @Option(help: "off, on. \(OptionTitle.lists) (default: both)")
  var inOrder: [String] = []

  @Option(help: "Buffers made visible with one store. \(OptionTitle.lists) (default: 1,32)")
  var batch: [String] = []

  @Option(help: "Descriptors of the ring. \(OptionTitle.lists) (default: 256)")
  var queueSize: [String] = []

  @Option(help: "Buffers outstanding: numbers, or full. \(OptionTitle.lists) (default: 1,full)")
  var outstanding: [String] = []

  @Option(help: "Segments of a buffer, 1 to 16. \(OptionTitle.lists) (default: 1)")
  var chain: [String] = []

  @Option(help: "off, on: chains through an indirect table. \(OptionTitle.lists) (default: off)")
  var indirect: [String] = []

  @Option(help: "off, on: EVENT_IDX. \(OptionTitle.lists) (default: off)")
  var eventIdx: [String] = []

  @Option(
    help: "\(NotificationMode.names). \(OptionTitle.lists) (default: polling)", completion: NotificationMode.completion)
  var notification: [String] = []

  @Option(parsing: .unconditional, help: "Round trips timed one by one, for the percentiles.")
  var roundTrips = 50_000

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(
    _ duration: DurationOptions<RingDuration>, _ cpus: CPUOptions, on machine: Machine
  ) throws(BenchError) -> RingParameters {
    try (0...100_000_000).check(roundTrips, "--round-trips")
    let all = try combinations()
    let points = all.filter(\.isPossible)
    guard !points.isEmpty else {
      throw .usage(
        "no ring can hold any of these: a batch fits into what is outstanding, that times the chain into the queue, "
          + "a split queue is a power of two, and an indirect table needs a chain of 2 or more"
      )
    }
    var parameters = RingParameters(points, impossible: all.count - points.count, roundTrips: roundTrips)
    try parameters.set(duration, cpus, seed: seed, on: machine)
    return parameters
  }

  private func combinations() throws(BenchError) -> [RingPoint] {
    let rings = ring.isEmpty ? RingLayout.allCases : try RingLayout.parse(list: ring)
    let orders = try Switch.parse(inOrder, or: [false, true])
    let batches = batch.isEmpty ? [1, 32] : try ListArgument.numbers(batch, 1...32_768, "--batch")
    let sizes = queueSize.isEmpty ? [256] : try ListArgument.numbers(queueSize, 1...32_768, "--queue-size")
    let chains = chain.isEmpty ? [1] : try ListArgument.numbers(chain, 1...LoadPlan.mostSegments, "--chain")
    let tables = try Switch.parse(indirect, or: [false])
    let events = try Switch.parse(eventIdx, or: [false])
    let modes = notification.isEmpty ? [NotificationMode.polling] : try NotificationMode.parse(list: notification)
    var points = [
      RingPoint(
        ring: .split, inOrder: false, batch: 1, queueSize: 1, outstanding: 1, chain: 1, indirect: false,
        eventIndex: false, notification: .polling)
    ]
    func vary<Value>(_ field: WritableKeyPath<RingPoint, Value>, _ values: [Value]) {
      points = points.flatMap { point in values.map { point.with(field, $0) } }
    }
    vary(\.ring, rings)
    vary(\.inOrder, orders)
    vary(\.queueSize, sizes)
    vary(\.chain, chains)
    vary(\.indirect, tables)
    vary(\.batch, batches)
    points = try points.map { point throws(BenchError) in
      try depths(point.queueSize, point.descriptorsPerBuffer).map { point.with(\.outstanding, $0) }
    }.flatMap { $0 }
    vary(\.eventIndex, events)
    vary(\.notification, modes)
    return points
  }

  /// Buffers outstanding in a ring of that size; `full` depends on what each takes.
  private func depths(_ size: Int, _ descriptors: Int) throws(BenchError) -> [Int] {
    let elements = outstanding.isEmpty ? ["1", "full"] : try ListArgument.elements(outstanding)
    var depths: [Int] = []
    for element in elements {
      let depth = element == "full" ? size / descriptors : Int(element) ?? 0
      guard depth >= 1 else { throw .usage("--outstanding takes numbers from 1 on, or full, not '\(element)'") }
      if !depths.contains(depth) { depths.append(depth) }
    }
    return depths
  }
}

/// A setting that a sweep can try both ways.
private enum Switch: String, CaseIterable, NamedChoice {
  case off
  case on

  static let noun = "setting"

  static func parse(_ list: [String], or standard: [Bool]) throws(BenchError) -> [Bool] {
    list.isEmpty ? standard : try parse(list: list).map { $0 == .on }
  }
}

extension RingPoint {
  fileprivate func with<Value>(_ field: WritableKeyPath<RingPoint, Value>, _ value: Value) -> RingPoint {
    var point = self
    point[keyPath: field] = value
    return point
  }
}
#endif
