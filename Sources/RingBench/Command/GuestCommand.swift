#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// `ringbench guest`: the question this tool is about, on a Linux guest.
struct GuestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guest",
    abstract: "Boots a Linux guest once for each way to its device, with our vhost-user device on the other end.",
    discussion: """
      A fixed load of random writes, and of reads that are compared with them, runs in the guest. Under KVM the \
      report is \
      requests a second, latencies and the ratio to direct; under QEMU's software emulation, whose times mean \
      nothing, it is \
      counts: IOTLB misses, updates and invalidations, notifications, bounce slots. Scripts/guest/prepare.sh makes the \
      guest, from the distribution's packages, and installs QEMU.

      Examples:
        ringbench guest
        ringbench guest --setting forced-iommu-strict,swiotlb --ring packed --format json
      """)

  private static let lists = "Comma list, or repeated."

  @Option(help: "\(GuestSetting.names). \(lists) direct is always run, as the baseline. (default: all)")
  var setting: [String] = []

  @Option(help: "\(RingLayout.names). \(lists) (default: both)")
  var ring: [String] = []

  @Option(help: "\(GuestAccelerator.names). auto takes KVM where a guest really runs under it.")
  var accel = GuestAccelerator.auto.rawValue

  @Option(parsing: .unconditional, help: "Threads of the load in the guest, 1 to 64; each has one request outstanding.")
  var threads = 4

  @Option(
    parsing: .unconditional,
    help: "Writes of each thread, and then reads. (default: 20000 under KVM, 500 under software emulation)")
  var requests: Int?

  @Option(parsing: .unconditional, help: "Bytes of a request, a multiple of 512 up to 1 MiB.")
  var size = "4KiB"

  @Option(parsing: .unconditional, help: "Seconds after which a guest that is not done is given up.")
  var bootSeconds = 120.0

  @Option(help: "The guest's kernel. (default: what Scripts/guest/prepare.sh made)")
  var kernel = ".build/guest/vmlinuz"

  @Option(help: "The guest's initramfs. (default: what Scripts/guest/prepare.sh made)")
  var initramfs = ".build/guest/base.cpio"

  @OptionGroup var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "guest")
    let destination = try report.destination()
    let parameters = try parameters()
    let files = try GuestFiles(kernel: kernel, initramfs: initramfs)
    try destination.write(start, areTimes: false) { progress in
      try GuestMeasurement(parameters, Machine.read()).run(files, progress: progress)
    } text: { report, _, _ in
      report.text()
    }
  }

  /// What the options mean, or the one reason why they mean nothing; before anything is looked for on the machine.
  func parameters() throws(BenchError) -> GuestParameters {
    var parameters = GuestParameters()
    if !setting.isEmpty {
      let named = try GuestSetting.parse(list: setting)
      parameters.settings = GuestSetting.allCases.filter { $0 == .direct || named.contains($0) }
    }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    try (1...64).check(threads, "--threads")
    if let requests { try (1...10_000_000).check(requests, "--requests") }
    let bytes = try OptionCheck.sectors(size, upTo: (1 << 20, "1 MiB"))
    guard (5...3600).contains(bootSeconds) else { throw .usage("--boot-seconds is 5 to 3600, not \(bootSeconds)") }
    parameters.threads = threads
    parameters.requests = requests
    parameters.blockBytes = bytes
    // Each thread has a part of the disk, of sixty-four blocks at least.
    parameters.diskBytes = max(64 << 20, threads * 64 * bytes)
    parameters.secondsPerBoot = bootSeconds
    parameters.accelerator = try GuestAccelerator.parse(accel)
    return parameters
  }
}
#endif
