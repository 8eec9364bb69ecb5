#if Bench
import ArgumentParser
import BenchHarness
import RingPlatform
import VhostUser

/// `ringbench device rng`: random bytes for a driver, over vhost-user.
struct DeviceRNGCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rng", abstract: "Is a virtio-rng device for a vhost-user front-end, such as QEMU.",
    usage: "ringbench device rng --socket PATH [options]",
    discussion: """
      What QEMU needs on its command line:

        -m 512M -object memory-backend-memfd,id=m,size=512M,share=on
        -machine q35,memory-backend=m
        -chardev socket,id=c,path=PATH,reconnect=1
        -device vhost-user-rng-pci,chardev=c
      """)

  @OptionGroup var vhost: VhostOptions

  func run() throws {
    let parameters = try vhost.parameters()
    let device = EntropyDevice()
    let server = VhostServer(parameters: parameters, device: device, kind: .entropy) {
      [("random bytes", device.byteCount)]
    }
    try server.run()
  }
}
#endif
