#if Bench
import ArgumentParser
import BenchHarness
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
    guard (1...256).contains(queues) else { throw BenchError.usage("--queues is 1 to 256, not \(queues)") }
    guard (1...32_766).contains(segMax) else { throw BenchError.usage("--seg-max is 1 to 32766, not \(segMax)") }
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
#endif
