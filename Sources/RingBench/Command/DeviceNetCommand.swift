#if Bench
import ArgumentParser
import BenchHarness
import RingPlatform
import VhostUser

/// `ringbench device net`: a network device that returns every frame, over vhost-user.
struct DeviceNetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "net",
    abstract: "Is a virtio-net device that returns every frame, for a vhost-user front-end such as DPDK's virtio-user.",
    usage: "ringbench device net --socket PATH [options]"
  )

  @OptionGroup var vhost: VhostOptions

  @Option(
    parsing: .unconditional,
    help: "Pairs of queues to offer, 1 to 128; a driver uses as many of them as it wants.")
  var pairs = 8

  @OptionGroup var threads: ThreadsOption

  func run() throws {
    let parameters = try vhost.parameters()
    let threads = try threads.check()
    guard (1...128).contains(pairs) else { throw BenchError.usage("--pairs is 1 to 128, not \(pairs)") }
    let device = LoopbackDevice(pairCount: pairs)
    let server = VhostServer(parameters: parameters, device: device, kind: .network) {
      [("frames returned", device.returned), ("frames dropped", device.dropped)]
    }
    try server.run(threads: threads)
  }
}
#endif
