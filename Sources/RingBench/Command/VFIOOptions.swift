#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// The options of `ringbench vfio`, as text; ``parameters()`` gives them a meaning.
struct VFIOOptions: ParsableArguments {
  private static let lists = "Comma list, or repeated."

  @Option(help: "PCI address of the device, as 0000:00:04.0.")
  var device: String

  @Option(help: "\(VFIOPath.names). \(lists) (default: all)")
  var path: [String] = []

  @Option(help: "\(RingLayout.names). \(lists) (default: both)")
  var ring: [String] = []

  @Option(parsing: .unconditional, help: "Reads of each path on each ring.")
  var requests = 1_000

  @Option(parsing: .unconditional, help: "Bytes of a request, a multiple of 512 up to 64 KiB.")
  var size = "4KiB"

  @Option(parsing: .unconditional, help: "Requests outstanding, 1 to 64; a third of the queue at most.")
  var depth = 16

  @Option(
    parsing: .unconditional,
    help: "Descriptors of the ring, a power of two from 4 to 1024; fewer where the device has fewer.")
  var queueSize = 64

  @Flag(help: "Write the blocks before they are read: destroys what is on the device.")
  var overwrite = false

  @Flag(help: "Do not make the device reach for memory that was taken away.")
  var noFault = false

  @Option(parsing: .unconditional, help: "Seed of the blocks' order.")
  var seed: UInt64 = 1

  @OptionGroup var report: ReportOptions

  /// What the options mean, or the one reason why they mean nothing.
  func parameters() throws(BenchError) -> VFIOParameters {
    var parameters = VFIOParameters()
    if !path.isEmpty { parameters.paths = try VFIOPath.parse(list: path) }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    guard (1...100_000_000).contains(requests) else { throw .usage("--requests is 1 to 100000000, not \(requests)") }
    let bytes = try ByteCount.parse(size)
    guard bytes >= 512, bytes % 512 == 0, bytes <= 65_536 else {
      throw .usage("--size is a multiple of 512 bytes up to 64 KiB, not \(size)")
    }
    guard (4...1024).contains(queueSize), queueSize & (queueSize - 1) == 0 else {
      throw .usage("--queue-size is a power of two from 4 to 1024, not \(queueSize)")
    }
    guard (1...64).contains(depth) else { throw .usage("--depth is 1 to 64, not \(depth)") }
    parameters.device = device
    parameters.requests = requests
    parameters.blockBytes = bytes
    parameters.depth = depth
    parameters.queueSize = queueSize
    parameters.overwrite = overwrite
    parameters.fault = !noFault
    parameters.seed = seed
    return parameters
  }
}
#endif
