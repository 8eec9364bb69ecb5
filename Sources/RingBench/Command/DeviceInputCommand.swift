#if Bench
import ArgumentParser
import BenchHarness
import Glibc
import RingPlatform
import VhostUser

/// `ringbench device input`: a keyboard for a driver, over vhost-user.
struct DeviceInputCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "input",
    abstract: "Is a virtio-input keyboard whose keys come from a pipe, for a vhost-user front-end, such as QEMU.",
    usage: "ringbench device input --socket PATH --from PIPE [options]",
    discussion: """
      Each character that is written to the pipe is a key, pressed and released:

        mkfifo keys
        ringbench device input --socket PATH --from keys &
        echo hello >keys

      What QEMU needs on its command line:

        -m 512M -object memory-backend-memfd,id=m,size=512M,share=on
        -machine q35,memory-backend=m
        -chardev socket,id=c,path=PATH
        -device vhost-user-input-pci,chardev=c
      """)

  @OptionGroup var vhost: VhostOptions

  @Option(help: "The pipe that keys come from (see mkfifo), a terminal or a serial line.")
  var from: String

  func run() throws {
    let parameters = try vhost.parameters()
    // Both ways: a pipe does not end with its first writer.
    let made = unsafe open(from, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard made >= 0 else { throw BenchError.usage("--from \(from): \(Errno.text(errno))") }
    defer { close(made) }
    var status = stat()
    guard unsafe fstat(made, &status) == 0, [S_IFIFO, S_IFCHR].contains(status.st_mode & S_IFMT) else {
      throw BenchError.usage("--from \(from): it is neither a pipe nor a terminal")
    }
    let device = InputDevice(reading: made)
    let server = VhostServer(parameters: parameters, device: device, kind: .input) { [("keys", device.keyCount)] }
    try server.run()
  }
}
#endif
