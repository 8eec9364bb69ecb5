#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench guest`: the question this tool is about, on a Linux guest.
struct GuestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guest",
    abstract: "Boots a Linux guest once for each way to its device, with our vhost-user device on the other end.",
    discussion: """
      A fixed load of random writes, and of reads that are compared with them, runs in the guest. Under KVM the report is \
      requests a second, latencies and the ratio to direct; under QEMU's software emulation, whose times mean nothing, it is \
      counts: IOTLB misses, updates and invalidations, notifications, bounce slots. Scripts/guest/prepare.sh makes the \
      guest, from the distribution's packages, and installs QEMU.

      Examples:
        ringbench guest
        ringbench guest --setting forced-iommu-strict,swiotlb --ring packed --format json
      """)

  @OptionGroup var options: GuestOptions

  func run() throws {
    let destination = try options.report.destination()
    let parameters = try options.parameters()
    let files = try GuestFiles(kernel: options.kernel, initramfs: options.initramfs)
    let progress = Progress()
    Interrupt.install()
    let report = try GuestMeasurement(parameters, Machine.read()).run(files, progress: progress)
    progress.clear()
    try destination.write(report) { report.text() }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
