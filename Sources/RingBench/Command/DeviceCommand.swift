#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// `ringbench device`: a device for a driver in another process.
struct DeviceCommand: ParsableCommand {
  static let name = "device"

  // Options of its own would be taken from the subcommands, hence the default one.
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Is the device for a driver in another process.",
    discussion: """
      For 'ringbench cost --isolate' it has mapped the guest's shared pages and nothing else. With blk or net it is a virtio \
      device for somebody's driver that speaks vhost-user: QEMU, DPDK, 'ringbench drive'.
      """,
    subcommands: [DeviceIsolatedCommand.self, DeviceBlockCommand.self, DeviceNetCommand.self],
    defaultSubcommand: DeviceIsolatedCommand.self)
}
#endif
