#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import CRing
import Glibc
import RingPlatform

/// `ringbench device`: a device for a driver in another process.
struct DeviceCommand: ParsableCommand {
  static let name = "device"

  // Options of its own would be taken from the subcommands, hence the default one.
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Is the device for a driver in another process.",
    discussion: """
      For 'ringbench cost --isolate' it has mapped the guest's shared pages and nothing else. With blk, net, rng or \
      input it is a virtio device for any driver that speaks vhost-user: QEMU, DPDK, 'ringbench drive'.
      """,
    subcommands: [
      DeviceIsolatedCommand.self, DeviceBlockCommand.self, DeviceNetCommand.self, DeviceRNGCommand.self,
      DeviceInputCommand.self,
    ],
    defaultSubcommand: DeviceIsolatedCommand.self)
}

/// `ringbench device isolated`, or `ringbench device` alone: the benchmark's device, as a process that has mapped the
/// shared pages and nothing else.
struct DeviceIsolatedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "isolated", abstract: "Is the device of 'ringbench cost --isolate'.",
    discussion: """
      Waits at a Unix socket for one driver, receives the guest's shared memory from it as file descriptors, serves \
      its queues, and ends with it. 'ringbench cost --isolate' starts one by itself; by hand:

        ringbench device --socket /run/user/1000/device &
        ringbench cost --isolate --device-socket /run/user/1000/device
      """)

  @Option(help: "Path of the socket to wait at; it must not exist yet, and is removed when a driver has come.")
  var socket: String?

  @Option(help: .hidden)
  var parent: Int32?

  func run() throws {
    switch (socket, parent) {
    case (let path?, nil):
      try SocketPath.check(path, "--socket")
      let socket: DeviceSocket
      do throws(DeviceHandshakeError) {
        socket = try DeviceSocket.accept(at: path, until: { Interrupt.isRequested })
      } catch {
        if Interrupt.isRequested { Interrupt.endAtOnce() }
        throw BenchError.machine("nothing can wait at \(path): \(error)")
      }
      Interrupt.endAtOnce()
      var server = DeviceServer(socket)
      try server.serve()
    case (nil, let parent?):
      guard cring_channel_set_timeout(DeviceLink.descriptor, 0) == 0 else {
        throw BenchError.usage("--parent is for ringbench itself; write ringbench device --socket PATH")
      }
      // A signal reaches the whole group; the parent still has something to finish, and ends this one by closing.
      Interrupt.ignore()
      let error = cring_child_follow_parent(parent)
      guard error == 0 else { throw BenchError.machine("the parent cannot be followed: \(Errno.text(error))") }
      var server = DeviceServer(DeviceSocket(attaching: DeviceLink.descriptor))
      // What went wrong the driver was told, and tells.
      do { try server.serve() } catch { Glibc.exit(error.exitCode) }
    default: throw BenchError.usage("say where to wait for the driver: ringbench device --socket PATH")
    }
  }
}
#endif
