import BenchHarness
import CRing
import Glibc
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// A virtio device behind PCI, as virtio 1.2, 4.1 has it: capabilities that lead to registers.
///
/// What is negotiated over them, and which status is written, is for a ``DeviceSession``.
///
/// Registers are reached with system calls, the notification apart: nothing but that is on the way of a buffer.
struct VirtioPCIDevice {
  private static let vendor: UInt32 = 0x1af4
  // 4.1.2.1: 0x1040 and the device's type; a transitional one has an old number and the same registers.
  private static let kinds: [UInt32: DeviceKind] = [
    0x1042: .block, 0x1001: .block, 0x1041: .network, 0x1000: .network,
  ]
  // 4.1.5.1.2: no interrupt; also what a device answers that cannot give one.
  private static let noVector: UInt16 = 0xffff

  let vfio: VFIODevice
  /// A disk or a network device.
  let kind: DeviceKind
  private let config: UInt64
  private var common: UInt64 = 0
  private var notify: UInt64 = 0
  private var notifyMultiplier: UInt64 = 0
  private var notifyByteCount: UInt64 = 0
  private var specific: UInt64 = 0

  /// Finds the registers and switches them on.
  init(_ vfio: VFIODevice) throws {
    self.vfio = vfio
    config = try vfio.region(7).offset
    let identity = try vfio.read(config, byteCount: 4)
    guard identity & 0xffff == Self.vendor, let kind = Self.kinds[identity >> 16] else {
      throw BenchError.usage(
        "\(vfio.address) is no virtio-blk or virtio-net device: its vendor and device are "
          + "0x\(String(identity, radix: 16))")
    }
    self.kind = kind
    // Memory accesses and, as what this is about, the device's own: bus mastering.
    try vfio.write(try vfio.read(config + 4, byteCount: 2) | 0x6, config + 4, byteCount: 2)
    try findCapabilities()
    guard common != 0, notify != 0, specific != 0 else {
      throw BenchError.machine("\(vfio.address) has no modern virtio registers; start it with disable-legacy=on")
    }
  }

  /// A session with a device that nothing was said to yet.
  static func session(_ vfio: VFIODevice) throws -> DeviceSession<VirtioPCIDevice> {
    // The IOMMU is what keeps memory out of the device's reach: VFIOStart requires ACCESS_PLATFORM.
    let device = try VirtioPCIDevice(vfio)
    return DeviceSession(device, kind: device.kind, platform: Platform(secure: false), resetPolls: 1_000_000)
  }

  private mutating func findCapabilities() throws {
    guard try vfio.read(config + 6, byteCount: 2) & 0x10 != 0 else { return }
    var at = UInt64(try vfio.read(config + 0x34, byteCount: 1) & 0xfc)
    // A list of at most 48 links: the device's word is not believed to end.
    for _ in 0..<48 where at >= 0x40 {
      let header = try vfio.read(config + at, byteCount: 4)
      if header & 0xff == 0x09 { try take(capability: at, type: header >> 24) }
      at = UInt64(header >> 8 & 0xfc)
    }
  }

  // 4.1.4: the first of a type that can be used is the one to use.
  private mutating func take(capability at: UInt64, type: UInt32) throws {
    let bar = Int(try vfio.read(config + at + 4, byteCount: 1))
    let offset = UInt64(try vfio.read(config + at + 8, byteCount: 4))
    let length = UInt64(try vfio.read(config + at + 12, byteCount: 4))
    guard bar <= 5, let region = try? vfio.region(bar), offset + length <= region.byteCount else { return }
    switch type {
    case 1 where common == 0 && length >= 56: common = region.offset + offset
    case 2 where notify == 0 && region.canBeMapped:
      notify = region.offset + offset
      notifyByteCount = length
      notifyMultiplier = UInt64(try vfio.read(config + at + 16, byteCount: 4))
    case 4 where specific == 0: specific = region.offset + offset
    default: break
    }
  }

  /// Bytes of the device's own configuration.
  func configuration(_ byteCount: Int) throws -> [UInt8] {
    try (0..<UInt64(byteCount)).map { UInt8(truncatingIfNeeded: try vfio.read(specific + $0, byteCount: 1)) }
  }

  /// Entries of a queue at most; 0 where there is no such queue (4.1.4.3).
  func queueLimit(_ queue: Int) throws -> Int {
    try select(queue)
    return Int(try vfio.read(common + 24, byteCount: 2))
  }

  private func select(_ queue: Int) throws { try vfio.write(UInt32(queue), common + 22, byteCount: 2) }

  /// Hands a queue over.
  ///
  /// - Parameters:
  ///   - queue: its number.
  ///   - size: its entries.
  ///   - parts: where its ring is.
  ///   - interrupt: what the MSI-X vector with the queue's number rings; `nil`: the driver polls.
  /// - Returns: the queue's doorbell.
  /// - Throws: ``BenchError``, ``VFIOError``.
  fileprivate func enable(
    _ queue: Int, size: Int, _ parts: VFIORingAddresses, interrupt: EventDoorbell?
  ) throws -> VFIOPort {
    try select(queue)
    try vfio.write(UInt32(size), common + 24, byteCount: 2)
    let vector = interrupt == nil ? Self.noVector : UInt16(queue)
    try vfio.write(UInt32(vector), common + 26, byteCount: 2)
    guard try vfio.read(common + 26, byteCount: 2) == vector else {
      throw BenchError.machine("\(vfio.address) gives queue \(queue) no interrupt; leave out --interrupts")
    }
    for (part, offset) in [(parts.0, UInt64(32)), (parts.1, 40), (parts.2, 48)] {
      try vfio.write(UInt32(truncatingIfNeeded: part.rawValue), common + offset, byteCount: 4)
      try vfio.write(UInt32(truncatingIfNeeded: part.rawValue >> 32), common + offset + 4, byteCount: 4)
    }
    let offset = UInt64(try vfio.read(common + 30, byteCount: 2)) * notifyMultiplier
    guard offset + 2 <= notifyByteCount else {
      throw BenchError.check("\(vfio.address) has a doorbell at \(offset) of \(notifyByteCount) bytes")
    }
    let doorbell = try vfio.doorbell(at: notify + offset)
    try vfio.write(1, common + 28, byteCount: 2)
    return VFIOPort(doorbell, queue: UInt16(queue), interrupt: interrupt)
  }
}

/// Descriptors, and what driver and device tell each other, of a split or a packed ring.
typealias VFIORingAddresses = (GuestPhysicalAddress, GuestPhysicalAddress, GuestPhysicalAddress)

/// How driver and device wake each other for one queue.
///
/// One thread's at a time; the thread that starts it sees to that.
final class VFIOPort: @unchecked Sendable {
  private let doorbell: VFIODoorbell
  private let queue: UInt16
  private let interrupt: EventDoorbell?
  /// Looks in a row that found nothing.
  private var idleLooks = 0
  /// How often an interrupt ended the thread's sleep.
  private(set) var wakeUps = 0

  // So many looks before the CPU is given away: another queue's thread, or the device, may need it.
  private static let looks = 1_000

  init(_ doorbell: consuming VFIODoorbell, queue: UInt16, interrupt: EventDoorbell?) {
    self.doorbell = doorbell
    self.queue = queue
    self.interrupt = interrupt
  }

  /// Tells the device of new buffers, where it wants to be told (4.1.5.2).
  func kick<Queue: DriverQueue & ~Copyable>(_ driver: inout Queue) {
    if driver.isNotificationDue() { doorbell.ring(queue) }
  }

  /// What a driver does behind each look at its queue: nothing where something came, and else it waits.
  ///
  /// With an interrupt it sleeps until that comes, for 100 ms at most.
  func rest<Queue: DriverQueue & ~Copyable>(_ driver: inout Queue, hasProgress: Bool) {
    if hasProgress {
      idleLooks = 0
      return
    }
    if let interrupt {
      if !driver.enableNotifications(), interrupt.wait(milliseconds: 100) { wakeUps += 1 }
      driver.disableNotifications()
      return
    }
    idleLooks += 1
    if idleLooks % Self.looks == 0 { sched_yield() } else { cring_spin_hint() }
  }
}

extension VirtioPCIDevice: DeviceTransport {
  /// Reads both halves of the device's features (4.1.4.3).
  func offeredFeatures() throws(TransportError) -> VirtioFeatures {
    try access("reading the features") { () throws(VFIOError) in
      var offered: UInt64 = 0
      for half in 0..<UInt32(2) {
        try vfio.write(half, common, byteCount: 4)
        offered |= UInt64(try vfio.read(common + 4, byteCount: 4)) << (32 * UInt64(half))
      }
      return VirtioFeatures(rawValue: offered)
    }
  }

  /// Writes both halves of the driver's features.
  func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError) {
    try access("writing the features") { () throws(VFIOError) in
      for half in 0..<UInt32(2) {
        try vfio.write(half, common + 8, byteCount: 4)
        try vfio.write(UInt32(truncatingIfNeeded: features.rawValue >> (32 * UInt64(half))), common + 12, byteCount: 4)
      }
    }
  }

  /// Reads the device's status (2.1).
  func status() throws(TransportError) -> DeviceStatus {
    try access("reading the status") { () throws(VFIOError) in
      DeviceStatus(rawValue: UInt8(truncatingIfNeeded: try vfio.read(common + 20, byteCount: 1)))
    }
  }

  /// Writes the device's status; 0 resets it (4.1.4.3.2).
  func writeStatus(_ status: DeviceStatus) throws(TransportError) {
    try access("writing the status") { () throws(VFIOError) in
      try vfio.write(UInt32(status.rawValue), common + 20, byteCount: 1)
    }
  }

  private func access<Value>(
    _ operation: String, _ body: () throws(VFIOError) -> Value
  ) throws(TransportError) -> Value {
    do throws(VFIOError) { return try body() } catch {
      throw TransportError(operation: operation, reason: "\(error)")
    }
  }
}

extension DeviceSession<VirtioPCIDevice> {
  /// Hands queues over, 0 and up, and sets DRIVER_OK.
  ///
  /// - Parameters:
  ///   - size: entries of each.
  ///   - rings: where each is.
  ///   - interrupts: for each what its MSI-X vector rings; empty: the driver polls.
  /// - Returns: each queue's doorbell.
  /// - Throws: ``BenchError``, ``VFIOError``.
  mutating func start(
    size: Int, _ rings: [VFIORingAddresses], interrupts: [EventDoorbell] = []
  ) throws -> [VFIOPort] {
    var ports: [VFIOPort] = []
    for (queue, ring) in rings.enumerated() {
      ports.append(
        try transport.enable(queue, size: size, ring, interrupt: interrupts.isEmpty ? nil : interrupts[queue]))
    }
    do throws(NegotiationError) { try start() } catch { throw refusal(error) }
    return ports
  }

  /// What a step that failed means for a run: something that this machine's device cannot do, or a check that failed.
  func refusal(_ error: NegotiationError) -> BenchError {
    let address = transport.vfio.address
    return switch error {
    // Without it the device would take guest-physical addresses past the IOMMU, or none at all.
    case .notOffered(.accessPlatform, _):
      .machine(
        "\(address) does not offer ACCESS_PLATFORM: it would not go through the IOMMU (QEMU: iommu_platform=on)")
    case .notOffered(.packedRing, _):
      .machine("the device offers no packed ring (QEMU: packed=on); choose --ring split")
    case .notOffered(BlockLimits.multiQueue, _):
      .machine("the device has one queue (QEMU: num-queues=4); leave out --queues")
    case .notOffered: .machine("\(address): \(error)")
    default: .check("\(address): \(error)")
    }
  }
}
