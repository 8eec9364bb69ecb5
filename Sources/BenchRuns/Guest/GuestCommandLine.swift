import BenchPaths
import BenchPlan
import BenchReport
import CRing
import Glibc
import RingIOMMU
import RingKit

/// The command lines of one boot: what ``GuestRun`` starts, and what `--dry-run` prints.
package struct GuestCommandLine {
  private static let memoryMebibytes = 512
  /// Of the load that the guest's kernel traces: enough to count by.
  private static let tracedRequests = 200

  let paths: GuestPaths
  let parameters: GuestParameters
  let accelerator: GuestAccelerator
  /// The CPU that an emulated guest and its device share.
  let cpu: Int

  package init(
    paths: GuestPaths, parameters: GuestParameters, accelerator: GuestAccelerator,
    cpu: Int = Machine.read().cpus.last ?? 0
  ) {
    self.paths = paths
    self.parameters = parameters
    self.accelerator = accelerator
    self.cpu = cpu
  }

  private var architecture: GuestArchitecture { parameters.architecture }

  /// Our device, which serves one front-end and ends.
  func device(_ ringbench: String, _ guest: GuestCase) -> [String] {
    let own = guest.device == .blk ? ["--file", paths.disk] : ["--pairs", "1"]
    return (accelerator == .tcg ? shared + ["chrt", "--batch", "0"] : [])
      + [ringbench, "device", guest.device.name, "--socket", paths.socket] + own + ["--once", "--format", "json"]
  }

  /// QEMU for one combination.
  func emulator(_ guest: GuestCase) -> [String] {
    let devices = guest.setting.devices(
      guest.ring, chardev: "other", device: guest.device, architecture: architecture)
    return emulator(
      words: words(guest), setting: guest.setting,
      arguments: plugin + ["-chardev", "socket,id=other,path=\(paths.socket),reconnect=1"]
        + guest.device.backends(chardev: "other") + devices.flatMap { ["-device", $0] }
        + (hasSymbolDisk(guest) ? symbolDisk : []))
  }

  /// QEMU for a guest that does what it is told.
  func emulator(words: [String], setting: GuestSetting? = nil, arguments: [String]) -> [String] {
    (accelerator == .tcg ? shared + ["nice", "-n", "-20"] : []) + [
      architecture.emulator, "-machine", architecture.machine(setting),
      "-accel", accelerator.rawValue, "-cpu", accelerator == .kvm ? "host" : architecture.processor,
      // What runs between two marks is counted: on one CPU, so that counters need no atomic addition.
      "-smp", accelerator == .kvm ? "2" : "1", "-m", "\(Self.memoryMebibytes)",
      "-object", "memory-backend-memfd,id=memory,size=\(Self.memoryMebibytes)M,share=on",
      "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "file:\(paths.console)",
      "-kernel", paths.kernel, "-initrd", paths.initramfs,
      // A machine that is busy may keep an emulated timer waiting, and the kernel would give up over that.
      "-append",
      (["console=\(architecture.console)", "quiet", "panic=-1", "no_timer_check"] + words).joined(separator: " "),
    ] + arguments
  }

  /// Puts guest and device on one CPU.
  ///
  /// Where the device does not preempt, each request is answered when the guest has gone idle. On two CPUs the answer
  /// may come before, which saves the guest a switch of tasks: a race, and a thousand instructions. The guest goes
  /// before other programs too, where `nice` may do that; else `nice` says that it may not, and goes on.
  private var shared: [String] { ["taskset", "-c", "\(cpu)"] }

  /// Whether a guest needs a disk beside our device, to write its kernel's symbols to: QEMU's own, not used before.
  func hasSymbolDisk(_ guest: GuestCase) -> Bool { guest.device != .blk && isCounted && parameters.functions }

  private var symbolDisk: [String] {
    [
      "-drive", "file=\(paths.disk),if=none,id=symbols,format=raw", "-device",
      "virtio-blk-pci,drive=symbols,disable-legacy=on",
    ]
  }

  /// Whether the plugin counts.
  var isCounted: Bool { accelerator == .tcg && paths.plugin != nil }

  private var plugin: [String] {
    guard isCounted, let plugin = paths.plugin else { return [] }
    return ["-plugin", "\(plugin),out=\(paths.count),functions=\(parameters.functions ? "on" : "off")"]
  }

  /// What the guest's kernel and its script are told.
  private func words(_ guest: GuestCase) -> [String] {
    func load(_ requests: Int) -> String {
      "\(guest.depth),\(max(1, (requests + guest.depth - 1) / guest.depth)),\(guest.bytes)"
    }
    let requests = parameters.requests ?? 1
    var words = guest.setting.kernelWords(architecture)
    words += ["ringkit.run=/load.sh", "ringkit.device=\(guest.device.name)", "ringkit.load=\(load(requests))"]
    // The interface has no frames but the load's.
    if guest.device == .net { words.append("ipv6.disable=1") }
    guard accelerator == .tcg else { return words }
    // The kernel stays where it was linked: the same addresses, and so the same functions, in each boot.
    words += ["nokaslr", "ringkit.traced=\(load(min(requests, Self.tracedRequests)))"]
    return words + (isCounted && parameters.functions ? ["ringkit.symbols=1"] : [])
  }

  /// The commands of each combination, as a shell takes them; nothing is run.
  package func text(_ guest: GuestCase) -> String {
    let disk = ["truncate", "-s", "\(GuestParameters.diskBytes(guest))", paths.disk]
    let lines =
      (guest.device == .blk || hasSymbolDisk(guest) ? [disk] : []) + [device("ringbench", guest), emulator(guest)]
    return "# \(guest.name)\n" + lines.map { RunStart.command($0) + "\n" }.joined()
  }
}

/// Where the parts of a guest are, and where a run leaves what it writes.
package struct GuestPaths {
  let kernel: String
  let initramfs: String
  /// `nil` where instructions cannot be counted.
  let plugin: String?
  /// Sockets, logs and the disk.
  let directory: String

  package init(kernel: String, initramfs: String, plugin: String?, directory: String) {
    (self.kernel, self.initramfs, self.plugin, self.directory) = (kernel, initramfs, plugin, directory)
  }

  var socket: String { "\(directory)/socket" }
  var disk: String { "\(directory)/disk" }
  var console: String { "\(directory)/console" }
  /// What the plugin writes.
  var count: String { "\(directory)/count" }
}

/// A program started with its output in a file; ended, however this value goes away.
struct GuestProgram: ~Copyable {
  let log: String
  let child: ChildProcess

  /// Starts it, looked for on the PATH.
  ///
  /// - Parameters:
  ///   - arguments: its name first.
  ///   - log: gets standard output and standard error.
  /// - Throws: ``BenchError/machine(_:)`` when there is no shell.
  init(_ arguments: [String], log: String) throws(BenchError) {
    self.log = log
    // The shell opens the files and then becomes the program: what is killed is the program itself.
    let line = "exec " + arguments.map(Self.quoted).joined(separator: " ") + " </dev/null >\(Self.quoted(log)) 2>&1"
    var strings: [CChar] = []
    for text in ["/bin/sh", "-c", line] { strings += text.utf8CString }
    var pid: Int32 = 0
    let error = unsafe cring_child_start("/bin/sh", strings, 3, [], 0, &pid)
    guard error == 0 else { throw .machine("\(arguments[0]) cannot be started: \(Errno.text(error))") }
    child = ChildProcess(watching: pid)
  }

  /// How it ended, or `nil` while it runs.
  var end: ProcessEnd? { child.end }

  /// Waits for the end: until the time is up, Ctrl-C, or the end of what it cannot go on without.
  borrowing func waitForEnd(_ seconds: Double, needing other: ChildProcess? = nil) -> ProcessEnd? {
    let late = cring_nanoseconds() &+ UInt64(seconds * 1e9)
    while cring_nanoseconds() < late, !Interrupt.isRequested {
      if let end = child.end { return end }
      if other?.end != nil { break }
      usleep(20_000)
    }
    // QEMU sees the other end go a moment before it has ended itself.
    if other?.end != nil { usleep(500_000) }
    return child.end
  }

  /// The last line it wrote, for a refusal that names the reason.
  var lastWords: String { SystemFile.lastLine(log) ?? "it said nothing" }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
