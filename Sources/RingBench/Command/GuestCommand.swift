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
      report is requests a second, latencies and the ratio to direct. Under QEMU's software emulation, whose times \
      mean nothing, it is instructions a request, kernel and program apart, and counts: maps, IOTLB misses, \
      invalidations, bounces. Instructions repeat from boot to boot within a percent. Scripts/guest/prepare.sh makes \
      the guest, from the distribution's packages, installs QEMU and builds the plugin that counts.

      Examples:
        ringbench guest
        ringbench guest --functions --setting forced-iommu-strict
        ringbench guest --all --boots 1 --format json
        ringbench guest --dry-run --accel kvm
      """)

  @OptionGroup(title: OptionTitle.what) var what: GuestOptions
  @OptionGroup(title: OptionTitle.duration) var duration: GuestDuration
  @OptionGroup(title: OptionTitle.location) var location: GuestLocation
  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "guest")
    let destination = try report.destination()
    let parameters = try parameters()
    if what.dryRun { return try printCommands(parameters) }
    let files = try GuestFiles(
      kernel: location.kernel, initramfs: location.initramfs, plugin: location.plugin)
    try destination.write(start, areTimes: false) { progress in
      try GuestMeasurement(parameters, Machine.read()).run(files, progress: progress)
    } text: { report, _, _ in
      report.text()
    }
  }

  /// What would be run; whether KVM really runs a guest is not tried.
  private func printCommands(_ parameters: GuestParameters) throws(BenchError) {
    var parameters = parameters
    let isThere = SystemFile.exists(GuestMeasurement.device)
    let accelerator =
      parameters.accelerator == .auto ? (isThere ? GuestAccelerator.kvm : .tcg) : parameters.accelerator
    parameters.resolve(accelerator)
    let paths = GuestPaths(
      kernel: location.kernel, initramfs: location.initramfs, plugin: location.plugin, directory: "DIRECTORY")
    let commands = GuestCommandLine(paths: paths, parameters: parameters, accelerator: accelerator)
    let boots = parameters.boots ?? 1
    try OutputFile.deliver(
      "# Each \(boots) times, the device in the background; DIRECTORY is a new one in memory\n"
        + parameters.cases.map { commands.text($0) }.joined(), to: nil)
  }

  /// What the options mean, or the one reason why they mean nothing; before anything is looked for on the machine.
  func parameters() throws(BenchError) -> GuestParameters {
    var parameters = try what.parameters()
    let (boots, bootSeconds) = (duration.boots, duration.bootSeconds)
    if let boots { try (1...100).check(boots, "--boots") }
    guard (5...3600).contains(bootSeconds) else { throw .usage("--boot-seconds is 5 to 3600, not \(bootSeconds)") }
    (parameters.boots, parameters.secondsPerBoot) = (boots, bootSeconds)
    parameters.accelerator = try GuestAccelerator.parse(location.accel)
    guard !what.functions || parameters.accelerator != .kvm else {
      throw .usage("--functions counts under software emulation alone (--accel tcg or auto)")
    }
    return parameters
  }
}

/// What is run, as text.
struct GuestOptions: ParsableArguments {
  @Option(
    help: "\(GuestSetting.names). \(OptionTitle.lists) direct is always run, as the baseline. (default: all)",
    completion: GuestSetting.completion)
  var setting: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Bytes of a request, a multiple of 512 up to 1 MiB. \(OptionTitle.lists) (default: 4KiB)")
  var size: [String] = []

  @Option(
    parsing: .unconditional,
    help: "Writes, and then reads, of all threads together. (default: 2000 under software emulation, 80000 under KVM)")
  var requests: Int?

  @Flag(help: "Also give the kernel's instructions by function, and what the functions are for (software emulation).")
  var functions = false

  @Flag(help: "Print the command lines of each combination, and run nothing.")
  var dryRun = false

  @Option(help: "\(RingLayout.names). \(OptionTitle.lists) (default: split)", completion: RingLayout.completion)
  var ring: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: """
      Threads of the load in the guest, 1 to 64; each has one request outstanding. \(OptionTitle.lists) \
      (default: 1 under software emulation, 4 under KVM)
      """)
  var threads: [String] = []

  @Flag(help: "Both rings, 512 bytes, 4 KiB and 64 KiB, 1 and 16 threads, where the options do not say otherwise.")
  var all = false

  func parameters() throws(BenchError) -> GuestParameters {
    var parameters = GuestParameters()
    if all {
      (parameters.rings, parameters.sizes, parameters.depths) = (RingLayout.allCases, [512, 4096, 65_536], [1, 16])
    }
    if !setting.isEmpty {
      let named = try GuestSetting.parse(list: setting)
      parameters.settings = GuestSetting.allCases.filter { $0 == .direct || named.contains($0) }
    }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    if !size.isEmpty {
      parameters.sizes = try ListArgument.parse(size, ifEmpty: "--size needs a number of bytes") {
        text throws(BenchError) in try OptionCheck.sectors(text, upTo: (1 << 20, "1 MiB"))
      }
    }
    if !threads.isEmpty {
      parameters.depths = try ListArgument.parse(threads, ifEmpty: "--threads needs a number") {
        text throws(BenchError) in
        guard let number = Int(text) else { throw .usage("--threads is 1 to 64, not \(text)") }
        try (1...64).check(number, "--threads")
        return number
      }
    }
    if let requests { try (1...10_000_000).check(requests, "--requests") }
    (parameters.requests, parameters.functions) = (requests, functions)
    return parameters
  }
}

/// How often and how long.
struct GuestDuration: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Boots of each combination, 1 to 100. (default: 3 under software emulation, 1 under KVM)")
  var boots: Int?

  @Option(parsing: .unconditional, help: "Seconds after which a guest that is not done is given up.")
  var bootSeconds = 120.0
}

/// What runs the guest, and the files it is made of, which Scripts/guest/prepare.sh writes.
struct GuestLocation: ParsableArguments {
  @Option(
    help: "\(GuestAccelerator.names). auto takes KVM where a guest really runs under it.",
    completion: GuestAccelerator.completion)
  var accel = GuestAccelerator.auto.rawValue

  @Option(help: "The guest's kernel, as Scripts/guest/prepare.sh makes it.", completion: .file())
  var kernel = ".build/guest/vmlinuz"

  @Option(help: "The guest's initramfs, as Scripts/guest/prepare.sh makes it.", completion: .file())
  var initramfs = ".build/guest/base.cpio"

  @Option(help: "The plugin that counts instructions, as Scripts/guest/prepare.sh builds it.", completion: .file())
  var plugin = ".build/guest/count.so"
}
#endif
