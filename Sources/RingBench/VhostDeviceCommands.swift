#if Bench
import ArgumentParser
import BenchHarness
import Glibc
import RingPlatform
import VhostUser

/// `ringbench device blk`: a disk for another program's driver, over vhost-user.
struct DeviceBlockCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blk", abstract: "Is a virtio-blk device for a vhost-user front-end, such as QEMU.",
    usage: "ringbench device blk --socket PATH --file IMAGE [options]",
    discussion: """
      What QEMU needs on its command line:

        -m 512M -object memory-backend-memfd,id=m,size=512M,share=on
        -machine q35,memory-backend=m
        -chardev socket,id=c,path=PATH,reconnect=1
        -device vhost-user-blk-pci,chardev=c
      """)

  @OptionGroup var vhost: VhostOptions

  @Option(help: "The disk's contents: a file or a block device; whole sectors of it are used.")
  var file: String

  @Flag(help: "Refuse writes, and say so.")
  var readOnly = false

  @Flag(help: "Lock the image only while a queue runs: a guest may then migrate between two devices that have it.")
  var handover = false

  @Option(
    parsing: .unconditional,
    help: "Queues to offer, 1 to 256; a driver uses as many of them as it wants, QEMU one for each CPU.")
  var queues = 64

  @Option(parsing: .unconditional, help: "Segments of data in a request at most.")
  var segMax = 126

  @Option(
    parsing: .unconditional, help: "The block size that a driver is told: a power of two from 512 to 4096.")
  var blockSize = 512

  @OptionGroup var threads: ThreadsOption

  func run() throws {
    let parameters = try vhost.parameters()
    let threads = try threads.check()
    try (1...256).check(queues, "--queues")
    try (1...32_766).check(segMax, "--seg-max")
    guard [512, 1024, 2048, 4096].contains(blockSize) else {
      throw BenchError.usage("--block-size is 512, 1024, 2048 or 4096, not \(blockSize)")
    }
    var options = BlockOptions()
    options.isReadOnly = readOnly
    options.isHandedOver = handover
    options.queueCount = queues
    options.mostSegments = UInt32(segMax)
    options.blockSize = UInt32(blockSize)
    let device: BlockDevice
    do throws(BlockImageError) { device = try BlockDevice(path: file, options: options) } catch {
      switch error {
      case .system(_, let errno): throw BenchError.usage("--file \(file): \(Errno.text(errno))")
      case .inUse: throw BenchError.machine("--file \(file): \(error)")
      default: throw BenchError.usage("--file \(file): \(error)")
      }
    }
    let server = VhostServer(
      parameters: parameters, device: device, kind: .block,
      news: { device.takeErrors().map { "--file \(file): \($0)" } },
      tally: { [("requests done", device.done), ("requests failed", device.failed)] })
    try server.run(threads: threads)
  }
}

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
    try (1...128).check(pairs, "--pairs")
    let device = LoopbackDevice(pairCount: pairs)
    let server = VhostServer(parameters: parameters, device: device, kind: .network) {
      [("frames returned", device.returned), ("frames dropped", device.dropped)]
    }
    try server.run(threads: threads)
  }
}

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
