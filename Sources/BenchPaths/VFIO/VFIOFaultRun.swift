import BenchPlan
import CRing
import Glibc
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Has the device read a block into a page that it sees, takes the page away, and has it do the same again.
struct VFIOFaultRun {
  private static let iova = IOVA(0x10_0000)
  private static let secondsToAnswer = 2.0
  private static let mark: UInt64 = 0xa5a5_a5a5_a5a5_a5a5

  private let parameters: VFIOParameters

  init(_ parameters: VFIOParameters) { self.parameters = parameters }

  func run(_ vfio: VFIODevice, _ guest: VFIOGuest) throws -> VFIOFault {
    let space = VFIOAddressSpace(device: vfio, memory: guest.memory)
    try space.showForGood(guest.control)
    var session = try VirtioPCIDevice.session(vfio)
    do { return try run(vfio, guest, &session) } catch {
      // Nothing may be taken away while the device still runs.
      try? session.end()
      throw error
    }
  }

  private func run(
    _ vfio: VFIODevice, _ guest: VFIOGuest, _ session: inout DeviceSession<VirtioPCIDevice>
  ) throws -> VFIOFault {
    let start = try VFIOStart(&session, .split, parameters, guest)
    let ring = try SplitRing(in: start.rings[0], size: start.configuration.size)
    var driver = BlockDriver(
      try SplitDriverQueue(
        start.configuration, ring: ring, mapper: DirectMapper(memory: guest.memory, counter: UncountedWork())),
      slots: start.slots)
    // The queue has cleared its ring, which another one used before.
    let port = try session.start(size: ring.size, [ring.addresses])[0]
    let page = unsafe SharedMemory(guest.payload.host, byteCount: 4096)
    let target = MemorySegment(GuestPhysicalAddress(Self.iova.rawValue), length: 512)

    try vfio.show(guest.payload.host, at: Self.iova, byteCount: 4096)
    let first = try ask(&driver, port, &session, target)
    guard first == .done else {
      throw BenchError.check("the device cannot read into a page that it sees: \(first.map { "\($0)" } ?? "no answer")")
    }
    try vfio.hide(Self.iova, byteCount: 4096)

    for offset in stride(from: 0, to: 4096, by: 8) { page.store64(Self.mark, offset) }
    let log = KernelLog()
    let second = try ask(&driver, port, &session, target)
    // The interrupt that tells of the fault may come after the device's answer.
    usleep(300_000)
    let status = try session.transport.status()
    do throws(NegotiationError) { try session.end() } catch { throw session.refusal(error) }
    for offset in stride(from: 0, to: 4096, by: 8) where page.load64(offset) != Self.mark {
      throw BenchError.check("the device wrote to \(Self.iova) after it was taken away, at byte \(offset)")
    }
    // As Intel's and AMD's drivers word it; lines around it that say less are left out.
    let messages = log.messages().filter { $0.contains("fault addr") || $0.contains("PAGE_FAULT") }
    return VFIOFault(
      iova: "\(Self.iova)", deviceNeedsReset: status.contains(.needsReset),
      deviceStatus: UInt32(status.rawValue),
      requestStatus: second.map { "\($0)" }, kernelMessages: log.isReadable ? messages : nil)
  }

  /// What the device says of a read of the first sector; `nil` when it says nothing, or that it needs a reset.
  private func ask(
    _ driver: inout BlockDriver<SplitDriverQueue<DirectMapper<UncountedWork>>>, _ port: VFIOPort,
    _ session: inout DeviceSession<VirtioPCIDevice>, _ target: MemorySegment
  ) throws -> BlockStatus? {
    guard try driver.submit(.read, sector: 0, data: target, token: 0) == .added else { return nil }
    driver.queue.publish()
    port.kick(&driver.queue)
    let late = cring_nanoseconds() &+ UInt64(Self.secondsToAnswer * 1e9)
    while cring_nanoseconds() < late {
      if let completion = try driver.next() { return completion.status }
      do throws(NegotiationError) { try session.check() } catch {
        if error == .needsReset { return nil }
        throw session.refusal(error)
      }
      usleep(1_000)
    }
    return nil
  }
}

/// What the kernel says from now on (/dev/kmsg).
struct KernelLog: ~Copyable {
  // -1 where it may not be read.
  private let descriptor: Int32

  init() {
    descriptor = unsafe open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if descriptor >= 0 { lseek(descriptor, 0, Int32(SEEK_END)) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  var isReadable: Bool { descriptor >= 0 }

  /// The messages that came since the last call.
  func messages() -> [String] {
    var messages: [String] = []
    var record = [UInt8](repeating: 0, count: 8192)
    while descriptor >= 0 {
      // SAFETY: the pointer is used only inside the closure, for the bytes it covers.
      let count = unsafe record.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      // EPIPE: messages were overwritten before they were read; the next call goes on behind the gap.
      if count < 0, errno == EINTR || errno == EPIPE { continue }
      guard count > 0 else { break }
      // "priority,number,time,flags;text", then lines of context.
      let text = String(decoding: record[..<count], as: UTF8.self)
      if let semicolon = text.firstIndex(of: ";") {
        messages.append(String(printable: text[text.index(after: semicolon)...].prefix { $0 != "\n" }.utf8))
      }
    }
    return messages
  }
}
