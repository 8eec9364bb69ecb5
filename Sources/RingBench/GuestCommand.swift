#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench guest`: the question this tool is about, on a Linux guest.
struct GuestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guest",
    abstract: "Boots a Linux guest once for each way to its device, with our vhost-user device on the other end.",
    discussion: """
      A fixed load runs in the guest: random writes, and reads that are compared with them, and on a network \
      device frames that come back. Under KVM the \
      report is requests a second, latencies and the ratio to direct. Under QEMU's software emulation, whose times \
      mean nothing, it is instructions a request, kernel and program apart, and counts: maps, IOTLB misses, \
      invalidations, bounces. Instructions repeat from boot to boot within a percent. Scripts/guest/prepare.sh makes \
      the guest, from the distribution's packages, installs QEMU and builds the plugin that counts.

      Examples:
        ringbench guest
        ringbench guest --device net --boots 1
        ringbench guest --functions --setting forced-iommu-strict
        ringbench guest --arch arm64
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
    let (kernel, initramfs, plugin) = location.files(parameters.architecture)
    let files = try GuestFiles(
      kernel: kernel, initramfs: initramfs, plugin: plugin, parameters.architecture)
    try destination.write(start, areTimes: false) { progress in
      try GuestMeasurement(parameters: parameters, machine: Machine.read()).run(files, progress: progress)
    }
  }

  /// What would be run; whether KVM really runs a guest is not tried.
  private func printCommands(_ parameters: GuestParameters) throws(BenchError) {
    var parameters = parameters
    let isThere = SystemFile.exists(GuestMeasurement.device)
    let canBeKVM = isThere && parameters.architecture == .x86
    let accelerator =
      parameters.accelerator == .auto ? (canBeKVM ? GuestAccelerator.kvm : .tcg) : parameters.accelerator
    parameters.resolve(accelerator)
    let (kernel, initramfs, plugin) = location.files(parameters.architecture)
    let paths = GuestPaths(kernel: kernel, initramfs: initramfs, plugin: plugin, directory: "DIRECTORY")
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
    parameters.architecture = try GuestArchitecture.parse(location.arch)
    guard parameters.architecture == .x86 || parameters.accelerator != .kvm else {
      throw .usage("an arm64 guest is emulated here (--accel tcg or auto)")
    }
    guard !what.functions || parameters.accelerator != .kvm else {
      throw .usage("--functions counts under software emulation alone (--accel tcg or auto)")
    }
    return parameters
  }
}

/// What is run, as text.
struct GuestOptions: ParsableArguments {
  @Option(
    help: "\(GuestDevice.names): a disk, or an interface. \(OptionTitle.lists) (default: all)",
    completion: GuestDevice.completion)
  var device: [String] = []

  @Option(
    help: "\(GuestSetting.names). \(OptionTitle.lists) direct is always run, as the baseline. (default: all)",
    completion: GuestSetting.completion)
  var setting: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Bytes of a request, a multiple of 512 up to 1 MiB. \(OptionTitle.lists) (default: 4KiB)")
  var size: [String] = []

  @Option(
    parsing: .unconditionalSingleValue, help: "Bytes of a frame, 60 to 1514. \(OptionTitle.lists) (default: 1514)")
  var frame: [String] = []

  @Option(
    parsing: .unconditional,
    help: """
      Writes, and then reads, of all threads together, or frames. (default: 2000 under software emulation, 80000 \
      under KVM)
      """)
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
      Threads of the load in the guest, 1 to 64; each has one request outstanding. So many frames are sent before \
      they are taken back. \(OptionTitle.lists) (default: 1 under software emulation, 4 under KVM)
      """)
  var threads: [String] = []

  @Flag(
    help: """
      Both rings, 512 bytes, 4 KiB and 64 KiB, or frames of 60 and 1514 bytes, 1 and 16 threads, where the options do \
      not say otherwise.
      """)
  var all = false

  func parameters() throws(BenchError) -> GuestParameters {
    var parameters = GuestParameters()
    if all {
      (parameters.rings, parameters.sizes, parameters.depths) = (RingLayout.allCases, [512, 4096, 65_536], [1, 16])
      parameters.frames = [60, 1514]
    }
    if !device.isEmpty { parameters.devices = try GuestDevice.parse(list: device) }
    if !setting.isEmpty {
      let named = try GuestSetting.parse(list: setting)
      parameters.settings = GuestSetting.allCases.filter { $0 == .direct || named.contains($0) }
    }
    if !ring.isEmpty { parameters.rings = try RingLayout.parse(list: ring) }
    if !size.isEmpty {
      parameters.sizes = try ListArgument.parse(size) { text throws(BenchError) in
        try OptionCheck.sectors(text, upTo: (1 << 20, "1 MiB"))
      }
    }
    if !frame.isEmpty { parameters.frames = try Self.numbers(frame, "--frame", 60...1514) }
    if !threads.isEmpty { parameters.depths = try Self.numbers(threads, "--threads", 1...64) }
    if let requests { try (1...10_000_000).check(requests, "--requests") }
    (parameters.requests, parameters.functions) = (requests, functions)
    return parameters
  }

  private static func numbers(
    _ list: [String], _ option: String, _ range: ClosedRange<Int>
  ) throws(BenchError) -> [Int] {
    try ListArgument.parse(list) { text throws(BenchError) in
      guard let number = Int(text) else {
        throw .usage("\(option) is \(range.lowerBound) to \(range.upperBound), not \(text)")
      }
      try range.check(number, option)
      return number
    }
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

  @Option(
    help: "\(GuestArchitecture.names): of the guest. arm64 is emulated.", completion: GuestArchitecture.completion)
  var arch = GuestArchitecture.x86.rawValue

  @Option(
    help: """
      The directory that Scripts/guest/prepare.sh made the guest in. (default: .build/guest, of arm64 \
      .build/guest/arm64)
      """,
    completion: .directory)
  var files: String?

  @Option(help: "The guest's kernel. (default: vmlinuz in that directory)", completion: .file())
  var kernel: String?

  @Option(help: "The guest's initramfs. (default: base.cpio in that directory)", completion: .file())
  var initramfs: String?

  @Option(help: "The plugin that counts instructions. (default: count.so in that directory)", completion: .file())
  var plugin: String?

  func files(_ architecture: GuestArchitecture) -> (kernel: String, initramfs: String, plugin: String) {
    let directory = files ?? architecture.directory
    return (kernel ?? directory + "/vmlinuz", initramfs ?? directory + "/base.cpio", plugin ?? directory + "/count.so")
  }
}
#endif
