import BenchPaths
import BenchPlan
import BenchReport
import CRing
import Glibc
import RingIOMMU
import RingKit

/// Boots the guest once: QEMU, our device on the other end, the load inside.
struct GuestRun {
  private static let backendPatience = 10.0
  private static let mostSymbolBytes = 32 << 20

  let parameters: GuestParameters
  let accelerator: GuestAccelerator

  /// One boot of one combination; `nil` when Ctrl-C came in between.
  ///
  /// - Throws: ``BenchError/check(_:)`` when data was wrong, a feature was not negotiated, the load did not end or the
  ///   plugin's figures do not add up; ``BenchError/machine(_:)`` when QEMU does not start.
  func run(_ guest: GuestCase, _ files: borrowing GuestFiles) throws(BenchError) -> GuestBoot? {
    let paths = files.paths
    let commands = GuestCommandLine(paths: paths, parameters: parameters, accelerator: accelerator)
    try files.makeDisk(byteCount: GuestParameters.diskBytes(guest))
    for path in [paths.socket, paths.count] { unsafe unlink(path) }
    let device = try GuestProgram(commands.device(try Self.ownPath(), guest), log: "\(paths.directory)/device.log")
    try wait(for: paths.socket, of: device)
    if Interrupt.isRequested { return nil }
    let console = try boot(
      commands.emulator(guest), seconds: parameters.secondsPerBoot, device: device.child, log: device.log, paths)
    // With --once it ends when QEMU has gone.
    let end = device.waitForEnd(Self.backendPatience)
    if Interrupt.isRequested { return nil }
    try Self.check(console, guest, isTraced: accelerator == .tcg)
    guard end == .exited(code: 0), let counts = DeviceCounts(in: SystemFile.text(device.log) ?? "") else {
      throw .check("our device \(end.map { "\($0)" } ?? "did not end") after \(guest.name): \(device.lastWords)")
    }
    return try GuestBoot(
      guest, console: console, device: counts,
      count: commands.isCounted ? try GuestCount(SystemFile.lines(paths.count)) : nil,
      symbols: commands.isCounted && parameters.functions ? try symbols(console, paths) : nil)
  }

  /// Why no guest gets to its end, or `nil` when one does; for KVM, which may be there and not work.
  func failureToComeUp(_ files: borrowing GuestFiles, seconds: Double) -> String? {
    let commands = GuestCommandLine(paths: files.paths, parameters: parameters, accelerator: accelerator)
    do throws(BenchError) {
      // There is no such script: the guest says so and is done.
      _ = try boot(
        commands.emulator(words: ["ringkit.run=/none"], arguments: []), seconds: seconds, files.paths)
      return nil
    } catch {
      return error.message
    }
  }

  private func boot(
    _ arguments: [String], seconds: Double, device: ChildProcess? = nil, log: String = "", _ paths: GuestPaths
  ) throws(BenchError) -> GuestConsole {
    let line = paths.console
    unsafe unlink(line)
    let emulator = try GuestProgram(arguments, log: "\(paths.directory)/qemu.log")
    let end = emulator.waitForEnd(seconds, needing: device)
    let console = GuestConsole(SystemFile.lines(line))
    guard console.exitCode == nil else { return console }
    let last = SystemFile.lastLine(line)
    if let end { throw .machine("\(parameters.architecture.emulator) \(end): \(last ?? emulator.lastWords)") }
    if Interrupt.isRequested { return console }
    if let lost = device?.end {
      throw .check("our device \(lost) under the guest: \(SystemFile.lastLine(log) ?? "")")
    }
    throw .check(
      "the guest was not done after \(NumberText.fixed(seconds, 0)) s (--boot-seconds); its last line: "
        + "\(last ?? "none")"
    )
  }

  /// The kernel's functions, which the guest wrote to the start of its disk when the loads were over.
  private func symbols(_ console: GuestConsole, _ paths: GuestPaths) throws(BenchError) -> KernelSymbols {
    guard let count = console.symbolBytes, (1...Self.mostSymbolBytes).contains(count) else {
      throw .check("the guest says that its kernel's symbols are \(console.symbolBytes ?? 0) bytes")
    }
    let descriptor = unsafe open(paths.disk, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .machine("\(paths.disk) cannot be read: \(Errno.text(errno))") }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: count)
    // SAFETY: the pointer is used only inside the closure, for the bytes it covers.
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard got == count else { throw .check("the guest's disk holds \(got) of \(count) bytes of symbols") }
    return KernelSymbols(String(decoding: bytes, as: UTF8.self))
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
  ///
  /// With `isTraced` a second load followed the first one, and it was that whose bounce slots were watched.
  static func check(_ console: GuestConsole, _ guest: GuestCase, isTraced: Bool = false) throws(BenchError) {
    let (setting, ring, name) = (guest.setting, guest.ring, guest.name)
    if let failure = console.failure { throw .check("the load failed with \(name): \(failure)") }
    if let fault = console.faults.first { throw .check("the guest's kernel complains with \(name): \(fault)") }
    let wanted = guest.device.operations
    guard console.exitCode == 0, console.passes.map(\.operation) == wanted,
      console.traced.map(\.operation) == (isTraced ? wanted : [])
    else { throw .check("the load did not end well with \(name): exit code \(console.exitCode ?? -1)") }
    guard console.has(bit: 32), console.has(bit: 34) == (ring == .packed),
      console.has(bit: 33) == setting.hasAccessPlatform
    else { throw .check("\(name) was not negotiated, but \(console.ringFeatures)") }
    guard console.domainType == setting.domainType else {
      throw .check("the guest's IOMMU domain is \(console.domainType), not \(setting.domainType), with \(name)")
    }
    let bounced = (isTraced ? console.traced : console.passes).allSatisfy { $0.peakSlots > 0 }
    guard bounced == (setting == .swiotlb) else {
      throw .check("bounce slots were \(bounced ? "" : "not ")used with \(name)")
    }
    guard (console.slotsLeft ?? 0) == 0 else { throw .check("\(console.slotsLeft ?? 0) bounce slots leaked, \(name)") }
  }

  private static func ownPath() throws(BenchError) -> String {
    guard let path = unsafe realpath(ProgramArguments.ownPath, nil) else {
      throw .machine("\(ProgramArguments.ownPath) cannot be found: \(Errno.text(errno))")
    }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
  }
}
