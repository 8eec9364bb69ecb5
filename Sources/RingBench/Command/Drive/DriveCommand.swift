#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import Glibc

/// `ringbench drive`: our driver against a device in another process, whoever wrote it.
struct DriveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drive",
    abstract: "Drives a vhost-user device that somebody else serves: qemu-storage-daemon, DPDK, or 'ringbench device'.",
    discussion: """
      Connects to the back-end's socket, negotiates exactly the features that were asked for (one that the device does \
      not offer is exit code 3), and sends requests round. Times include the checking of every byte, and the device's CPU \
      is its own choice: compare counts before times.

      Examples:
        ringbench drive blk --socket /run/blk.sock --verify --features indirect,event-idx
        ringbench drive net --socket /run/net.sock --layout packed --in-order --path iommu-strict --format json
        ringbench drive blk --socket /run/blk.sock --verify --reconnect     # and kill -9 the back-end
      """)

  @OptionGroup var options: DriveOptions

  func run() throws {
    let destination = try options.report.destination()
    let parameters = try options.parameters()
    let machine = Machine.read()
    let progress = Progress()
    if !machine.optimised { progress.warn("this is a debug build: its times say nothing (use -c release)") }
    Interrupt.install()
    let report = try DriveMeasurement(parameters, machine, progress).run()
    progress.clear()
    try destination.write(report) { report.text() }
    if report.interrupted { Glibc.exit(ExitCodes.interrupted) }
  }
}
#endif
