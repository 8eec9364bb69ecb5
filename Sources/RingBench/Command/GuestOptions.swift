#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// The options of `ringbench guest`, as text; ``parameters(accelerator:)`` gives them a meaning.
struct GuestOptions: ParsableArguments {
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

  /// What the options mean, or the one reason why they mean nothing; before anything is looked for on the machine.
  func parameters() throws(BenchError) -> GuestParameters {
    var parameters = GuestParameters()
    if !setting.isEmpty {
      let named = try GuestSetting.parse(list: setting)
      parameters.settings = GuestSetting.allCases.filter { $0 == .direct || named.contains($0) }
    }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    guard (1...64).contains(threads) else { throw .usage("--threads is 1 to 64, not \(threads)") }
    if let requests, !(1...10_000_000).contains(requests) {
      throw .usage("--requests is 1 to 10000000, not \(requests)")
    }
    let bytes = try ByteCount.parse(size)
    guard bytes >= 512, bytes % 512 == 0, bytes <= 1 << 20 else {
      throw .usage("--size is a multiple of 512 bytes up to 1 MiB, not \(size)")
    }
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
