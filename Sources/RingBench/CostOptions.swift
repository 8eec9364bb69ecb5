#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import RingKit

/// The options of `ringbench cost`, as text; ``parameters(on:)`` gives them a meaning.
///
/// Values are taken unconditionally: `--depth -1` is a wrong depth, not a missing one followed by an option.
struct CostOptions: ParsableArguments {
  @OptionGroup(title: OptionTitle.what) var what: WhatOptions
  @OptionGroup(title: OptionTitle.duration) var duration: DurationOptions<CostDuration>
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions
  @OptionGroup(title: OptionTitle.location) var memory: MemoryOptions
  @OptionGroup(title: OptionTitle.location) var isolation: IsolationOptions
  @OptionGroup(title: OptionTitle.output) var output: SliceOutput
  @OptionGroup(title: OptionTitle.expert) var expert: ExpertOptions
  @OptionGroup(title: OptionTitle.expert) var iommu: IOMMUOptions
}

/// The headings of options in a help text, in this order.
enum OptionTitle {
  static let what = "What"
  static let duration = "How long"
  static let location = "Where"
  static let output = "Output"
  static let expert = "Expert"
  /// Of an option that takes several values.
  static let lists = "Comma list, or repeated."
}

/// What is measured.
struct WhatOptions: ParsableArguments {
  @Option(
    help: """
      \(DMAPath.names). \(OptionTitle.lists) direct is always measured, as the baseline. (default: all that take so \
      many queues)
      """,
    completion: DMAPath.completion)
  var path: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: """
      Bytes of a buffer; k, KiB, m and MiB are understood. \(OptionTitle.lists) (default: 1500,4096; for sweep 64 to \
      512KiB)
      """)
  var size: [String] = []

  @Option(
    help: "\(RingLayout.names). \(OptionTitle.lists) (default: both; for sweep split)",
    completion: RingLayout.completion)
  var ring: [String] = []

  @Option(
    help: "device-readable, device-writable. \(OptionTitle.lists) (default: both)",
    completion: DMADirection.completion)
  var direction: [String] = []

  @Option(
    parsing: .unconditional,
    help: "Buffers outstanding, at most the queue size. (default: 128, or the queue size if smaller)")
  var depth: Int?

  @Option(
    parsing: .unconditional,
    help: "Buffers made visible with one store, at most the depth. (default: 32, or the depth if smaller)")
  var batch: Int?

  @Option(parsing: .unconditional, help: "Descriptors of the ring: for split a power of two, at most 32768.")
  var queueSize = 256

  @Option(
    help: "\(RingFeature.names), or none. \(OptionTitle.lists) (default: none)", completion: RingFeature.completion)
  var features: [String] = []

  @Option(
    parsing: .unconditional,
    help:
      "Queues, 1 to 16, that share one swiotlb pool, or one domain and its invalidation queue; figures are over all.")
  var queues = 1
}

/// What a command measures for where its options do not say otherwise, and the words for it.
protocol DurationDefaults {
  static var slices: Int { get }
  static var milliseconds: Double { get }
  static var seconds: Double { get }
  static var unit: String { get }
  static var whole: String { get }
}

/// How often and how long.
enum CostDuration: DurationDefaults {
  static let (slices, milliseconds, seconds) = (100, 3.0, 45.0)
  static let (unit, whole) = (
    "combination of ring, path, direction and size", "everything, what is set up and calibrated included"
  )
}

/// How often and how long.
struct DurationOptions<Defaults: DurationDefaults>: ParsableArguments {
  @Option(parsing: .unconditional, help: "Slices of each \(Defaults.unit).")
  var slices = Defaults.slices

  @Option(parsing: .unconditional, help: "Milliseconds of a slice.")
  var sliceMs = Defaults.milliseconds

  @Option(parsing: .unconditional, help: "Seconds for \(Defaults.whole).")
  var timeLimit = Defaults.seconds
}

extension SliceSettings {
  /// Takes what the options say, on this machine, or the one reason why they mean nothing.
  mutating func set<Defaults>(
    _ duration: DurationOptions<Defaults>, _ cpus: CPUOptions, seed: UInt64, on machine: Machine
  ) throws(BenchError) {
    try (1...100_000).check(duration.slices, "--slices")
    try (0.1...10_000).check(duration.sliceMs, "--slice-ms")
    guard (0.1...1e6).contains(duration.timeLimit) else {
      throw .usage("--time-limit is 0.1 to 1000000 seconds, not \(duration.timeLimit)")
    }
    (slices, sliceMilliseconds, timeLimit) = (duration.slices, duration.sliceMs, duration.timeLimit)
    (driverCPU, deviceCPU) = try cpus.pair(on: machine)
    self.seed = seed
  }
}

/// Where memory lies, and which threads there are.
struct MemoryOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "NUMA node of the ring. (default: where the kernel puts it)")
  var ringNode: Int?

  @Option(parsing: .unconditional, help: "NUMA node of the payload. (default: where the kernel puts it)")
  var payloadNode: Int?

  @Option(
    help: "Pages under ring and payload: 4k, or 2m where the machine has them.", completion: PageChoice.completion)
  var pageSize = "4k"

  @Option(
    help: """
      Threads of several queues. pair: one drives all of them, one serves all of them, a queue at a time, so no lock \
      is ever contended; own: two threads a queue, each on a CPU of its own.
      """,
    completion: QueueThreads.completion)
  var queueThreads = "pair"
}

/// What a path does in detail.
struct ExpertOptions: ParsableArguments {
  @Option(
    help: "full: the producer writes and the consumer checks every byte; none: the payload is not touched.",
    completion: PayloadTouch.completion)
  var touch = "full"

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  @Flag(help: "Call through a retpoline thunk (path identity).")
  var retpoline = false

  @Option(help: "Areas of the swiotlb pool: 1, or per-cpu.", completion: .list(["1", "per-cpu"]))
  var swiotlbAreas = "1"

  @Option(parsing: .unconditional, help: "MiB of the swiotlb pool.")
  var swiotlbMib = 64

  @Option(
    parsing: .unconditional,
    help: "Percent of the buffers beyond what the device can address, 0 to 100 (path dma-mask). (default: 50)")
  var beyond: Int?

  @Option(
    parsing: .unconditional,
    help: "Address bits of the device, 31 to 64; the buffers lie on both sides of 4 GiB (path dma-mask). (default: 32)")
  var maskBits: Int?

  @Option(
    parsing: .unconditional,
    help: "Bytes of a shadow buffer (paths shadow and hybrid). (default: as large as the size that is measured)")
  var shadowSlot: String?

  @Option(
    parsing: .unconditional,
    help: """
      Bytes below which hybrid copies; 0 maps everything. (default: measured at start-up, for each direction, and \
      whenever the placement class changes)
      """)
  var hybridThreshold: String?

  @Option(parsing: .unconditional, help: "Sets of the device's IOTLB, four pages each; a power of two.")
  var iotlbSets = 64
}
#endif
