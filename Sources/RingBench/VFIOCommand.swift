#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import Glibc
import RingPlatform

/// `ringbench vfio`: a virtio device driven from here, through the machine's own IOMMU.
struct VFIOCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vfio",
    abstract: "Drives a virtio PCI device through VFIO: mapped once, mapped for each buffer, or bounced.",
    discussion: """
      The device must belong to vfio-pci:
        echo vfio-pci > /sys/bus/pci/devices/BDF/driver_override
        echo BDF > /sys/bus/pci/drivers/virtio-pci/unbind
        echo BDF > /sys/bus/pci/drivers_probe

      Of a disk each path reads the same random blocks, which must come out the same; with --overwrite they are \
      written first. At the end the disk is made to reach for memory that was taken away from it, which must show as \
      a fault. A network device sends numbered frames, and what it is connected to must send them back.

      Example:
        ringbench vfio --device 0000:00:04.0 --path premapped --requests 10000
      """)

  @OptionGroup(title: OptionTitle.what) var what: VFIOOptions
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "vfio")
    let destination = try report.destination()
    let parameters = try what.parameters()
    let report = try destination.write(start, areTimes: false) { progress in
      do {
        let outcome = try VFIOMeasurement(parameters).run(progress: progress)
        return VFIOReport(machine: .read(), parameters: parameters, outcome)
      } catch let error as BenchError {
        throw error
      } catch let error as VFIOError {
        throw BenchError.machine("\(error)")
      } catch {
        // The queue's, the mapper's: something did not behave as it must.
        throw BenchError.check("\(error)")
      }
    }
    if let fault = report.fault, !fault.isReported {
      throw BenchError.check("an access to \(fault.iova) after unmap was not reported")
    }
  }
}

/// What is driven, as text.
struct VFIOOptions: ParsableArguments {
  @Option(help: "PCI address of the device, as 0000:00:04.0.")
  var device: String

  @Option(help: "\(VFIOPath.names). \(OptionTitle.lists) (default: all)", completion: VFIOPath.completion)
  var path: [String] = []

  @Option(help: "\(RingLayout.names). \(OptionTitle.lists) (default: both)", completion: RingLayout.completion)
  var ring: [String] = []

  @Option(parsing: .unconditional, help: "Reads or frames of each path on each ring.")
  var requests = 1_000

  @Option(parsing: .unconditional, help: "Bytes of a disk's request, a multiple of 512 up to 64 KiB.")
  var size = "4KiB"

  @Option(parsing: .unconditional, help: "Bytes of a network device's frame, 60 to 1514.")
  var frame = 1514

  @Option(
    parsing: .unconditional,
    help: """
      Requests or frames outstanding in a queue, 1 to 64; a third of it at most. (default: 16, or a third of the queue \
      if fewer)
      """
  )
  var depth: Int?

  @Option(
    parsing: .unconditional,
    help: "Descriptors of the ring, a power of two from 4 to 1024; fewer where the device has fewer.")
  var queueSize = 64

  @Option(parsing: .unconditional, help: "Queues of a disk, 1 to 64; a thread drives each.")
  var queues = 1

  @Flag(help: "Sleep until the device interrupts (MSI-X), instead of polling.")
  var interrupts = false

  @Flag(help: "Write the blocks before they are read: destroys what is on the device.")
  var overwrite = false

  @Flag(help: "Do not make a disk reach for memory that was taken away.")
  var noFault = false

  @Option(parsing: .unconditional, help: "Seed of the blocks' order.")
  var seed: UInt64 = 1

  /// What the options mean, or the one reason why they mean nothing.
  func parameters() throws(BenchError) -> VFIOParameters {
    var parameters = VFIOParameters()
    if !path.isEmpty { parameters.paths = try VFIOPath.parse(list: path) }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    try (1...100_000_000).check(requests, "--requests")
    parameters.blockBytes = try OptionCheck.sectors(size, upTo: (64 << 10, "64 KiB"))
    try (60...1514).check(frame, "--frame")
    try (1...64).check(queues, "--queues")
    guard (4...1024).contains(queueSize), queueSize & (queueSize - 1) == 0 else {
      throw .usage("--queue-size is a power of two from 4 to 1024, not \(queueSize)")
    }
    let most = max(1, queueSize / 3)
    let depth = depth ?? min(16, most)
    try (1...64).check(depth, "--depth")
    guard depth <= most else { throw .usage("a queue of \(queueSize) holds \(most) requests, not \(depth) (--depth)") }
    parameters.device = device
    parameters.requests = requests
    parameters.depth = depth
    parameters.queueSize = queueSize
    parameters.frameBytes = frame
    parameters.queues = queues
    parameters.interrupts = interrupts
    parameters.overwrite = overwrite
    parameters.fault = !noFault
    parameters.seed = seed
    return parameters
  }
}
#endif
