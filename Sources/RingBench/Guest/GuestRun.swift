#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import CRing
import Glibc
import RingIOMMU
import RingKit

/// Boots the guest once: QEMU, our device on the other end, the load inside.
struct GuestRun {
  private static let backendPatience = 10.0
  private static let memoryMebibytes = 512
  private static let cpus = 2

  let parameters: GuestParameters
  let accelerator: GuestAccelerator

  /// One setting on one ring; `nil` when Ctrl-C came in between.
  ///
  /// - Throws: ``BenchError/check(_:)`` when data was wrong, a feature was not negotiated or the load did not end;
  ///   ``BenchError/machine(_:)`` when QEMU does not start.
  func run(_ setting: GuestSetting, _ ring: RingLayout, _ files: borrowing GuestFiles) throws(BenchError) -> GuestRow? {
    let disk = try files.makeDisk("disk", byteCount: parameters.diskBytes)
    let socket = "\(files.directory)/socket"
    unsafe unlink(socket)
    let device = try GuestProgram(
      [
        try Self.ownPath(), "device", "blk", "--socket", socket, "--file", disk, "--once", "--format", "json",
      ], log: "\(files.directory)/device.log")
    try wait(for: socket, of: device)
    if Interrupt.isRequested { return nil }
    let words =
      setting.kernelWords + [
        "ringkit.run=/load.sh",
        "ringkit.load=\(parameters.threads),\(parameters.requests ?? 1),\(parameters.blockBytes)",
      ] + (accelerator == .tcg ? ["ringkit.trace=1"] : [])
    let console = try boot(
      words: words,
      arguments: ["-chardev", "socket,id=other,path=\(socket),reconnect=1"]
        + setting.devices(ring, chardev: "other").flatMap { ["-device", $0] },
      seconds: parameters.secondsPerBoot, device: device.child, log: device.log, files)
    // With --once it ends when QEMU has gone.
    let end = device.waitForEnd(Self.backendPatience)
    if Interrupt.isRequested { return nil }
    let place = "\(setting.name) on a \(ring.name) ring"
    try Self.check(console, setting, ring, place)
    guard end == .exited(code: 0), let counts = DeviceCounts(in: SystemFile.text(device.log) ?? "") else {
      throw .check("our device \(end.map { "\($0)" } ?? "did not end") after \(place): \(device.lastWords)")
    }
    return GuestRow(setting: setting, ring: ring, console: console, device: counts)
  }

  /// Why no guest gets to its end, or `nil` when one does; for KVM, which may be there and not work.
  func failureToComeUp(_ files: borrowing GuestFiles, seconds: Double) -> String? {
    do throws(BenchError) {
      // There is no such script: the guest says so and is done.
      _ = try boot(words: ["ringkit.run=/none"], arguments: [], seconds: seconds, files)
      return nil
    } catch {
      return error.message
    }
  }

  private func boot(
    words: [String], arguments: [String], seconds: Double, device: ChildProcess? = nil, log: String = "",
    _ files: borrowing GuestFiles
  ) throws(BenchError) -> GuestConsole {
    let line = "\(files.directory)/console"
    unsafe unlink(line)
    let emulator = try GuestProgram(
      [
        GuestFiles.emulator, "-machine", "q35,kernel-irqchip=split,memory-backend=memory",
        "-accel", accelerator.rawValue, "-cpu", accelerator == .kvm ? "host" : "max", "-smp", "\(Self.cpus)",
        "-m", "\(Self.memoryMebibytes)",
        "-object", "memory-backend-memfd,id=memory,size=\(Self.memoryMebibytes)M,share=on",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "file:\(line)",
        "-kernel", files.kernel, "-initrd", files.initramfs,
        // A machine that is busy may keep an emulated timer waiting, and the kernel would give up over that.
        "-append", (["console=ttyS0", "quiet", "panic=-1", "no_timer_check"] + words).joined(separator: " "),
      ] + arguments, log: "\(files.directory)/qemu.log")
    let end = emulator.waitForEnd(seconds, needing: device)
    let console = GuestConsole(SystemFile.lines(line))
    guard console.exitCode == nil else { return console }
    let last = SystemFile.lastLine(line)
    if let end { throw .machine("\(GuestFiles.emulator) \(end): \(last ?? emulator.lastWords)") }
    if Interrupt.isRequested { return console }
    if let lost = device?.end {
      throw .check("our device \(lost) under the guest: \(SystemFile.lastLine(log) ?? "")")
    }
    throw .check(
      "the guest was not done after \(NumberText.fixed(seconds, 0)) s (--boot-seconds); its last line: "
        + "\(last ?? "none")"
    )
  }

  private func wait(for socket: String, of device: borrowing GuestProgram) throws(BenchError) {
    let late = cring_nanoseconds() &+ UInt64(Self.backendPatience * 1e9)
    while !SystemFile.exists(socket) {
      if Interrupt.isRequested { return }
      if let end = device.end { throw .machine("our device \(end): \(device.lastWords)") }
      guard cring_nanoseconds() < late else { throw .machine("our device made no socket: \(device.lastWords)") }
      usleep(10_000)
    }
  }

  /// What was asked for is what there was: QEMU falls back from packed to split without a word.
  static func check(
    _ console: GuestConsole, _ setting: GuestSetting, _ ring: RingLayout, _ place: String
  ) throws(BenchError) {
    if let failure = console.failure { throw .check("the load failed with \(place): \(failure)") }
    if let fault = console.faults.first { throw .check("the guest's kernel complains with \(place): \(fault)") }
    guard console.exitCode == 0, console.passes.map(\.operation) == ["write", "read"] else {
      throw .check("the load did not end well with \(place): exit code \(console.exitCode ?? -1)")
    }
    guard console.has(bit: 32), console.has(bit: 34) == (ring == .packed),
      console.has(bit: 33) == setting.hasAccessPlatform
    else { throw .check("\(place) was not negotiated, but \(console.ringFeatures)") }
    guard console.domainType == setting.domainType else {
      throw .check("the guest's IOMMU domain is \(console.domainType), not \(setting.domainType), with \(place)")
    }
    let bounced = console.passes.allSatisfy { $0.peakSlots > 0 }
    guard bounced == (setting == .swiotlb) else {
      throw .check("bounce slots were \(bounced ? "" : "not ")used with \(place)")
    }
    guard (console.slotsLeft ?? 0) == 0 else { throw .check("\(console.slotsLeft ?? 0) bounce slots leaked, \(place)") }
  }

  private static func ownPath() throws(BenchError) -> String {
    guard let path = unsafe realpath(ProgramArguments.ownPath, nil) else {
      throw .machine("\(ProgramArguments.ownPath) cannot be found: \(Errno.text(errno))")
    }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
  }
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
#endif
