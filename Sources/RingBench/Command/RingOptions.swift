#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// The options of `ringbench ring`, as text; ``parameters(on:)`` gives them a meaning.
struct RingOptions: ParsableArguments {
  private static let lists = "Comma list, or repeated."

  @Option(help: "\(RingLayout.names). \(lists) (default: both)")
  var ring: [String] = []

  @Option(help: "off, on. \(lists) (default: both)")
  var inOrder: [String] = []

  @Option(help: "Buffers made visible with one store. \(lists) (default: 1,32)")
  var batch: [String] = []

  @Option(help: "Descriptors of the ring. \(lists) (default: 256)")
  var queueSize: [String] = []

  @Option(help: "Buffers outstanding: numbers, or full. \(lists) (default: 1,full)")
  var outstanding: [String] = []

  @Option(help: "Segments of a buffer, 1 to 16. \(lists) (default: 1)")
  var chain: [String] = []

  @Option(help: "off, on: chains through an indirect table. \(lists) (default: off)")
  var indirect: [String] = []

  @Option(help: "off, on: EVENT_IDX. \(lists) (default: off)")
  var eventIdx: [String] = []

  @Option(help: "\(NotificationMode.names). \(lists) (default: polling)")
  var notification: [String] = []

  @OptionGroup var cpus: CPUOptions

  @Option(parsing: .unconditional, help: "Slices of each point.")
  var slices = 150

  @Option(parsing: .unconditional, help: "Milliseconds of a slice.")
  var sliceMs = 1.0

  @Option(parsing: .unconditional, help: "Seconds after which no further round of slices begins.")
  var timeLimit = 60.0

  @Option(parsing: .unconditional, help: "Round trips timed one by one, for the percentiles.")
  var roundTrips = 50_000

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  @OptionGroup var report: ReportOptions

  @Option(
    name: .customLong("class"),
    help: "\(PlacementClass.names): which one the text shows. (default: the one with most slices)")
  var placement: String?
}
#endif
