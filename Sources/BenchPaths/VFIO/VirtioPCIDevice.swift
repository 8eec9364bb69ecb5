import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// A virtio device behind PCI, as virtio 1.2, 4.1 has it: capabilities that lead to registers.
///
/// What is negotiated over them, and which status is written, is for a ``DeviceSession``.
///
/// Registers are reached with system calls, the notification apart: nothing but that is on the way of a buffer.
package struct VirtioPCIDevice {
  private static let vendor: UInt32 = 0x1af4
  // 4.1.2.1: 0x1040 and the device's type; a transitional one has an old number and the same registers.
  private static let modernBlock: UInt32 = 0x1042
  private static let transitionalBlock: UInt32 = 0x1001

  package let vfio: VFIODevice
  private let config: UInt64
  private var common: UInt64 = 0
  private var notify: UInt64 = 0
  private var notifyMultiplier: UInt64 = 0
  private var notifyByteCount: UInt64 = 0
  private var specific: UInt64 = 0

  /// Finds the registers and switches them on.
  package init(_ vfio: VFIODevice) throws {
    self.vfio = vfio
    config = try vfio.region(7).offset
    let identity = try vfio.read(config, byteCount: 4)
    guard identity & 0xffff == Self.vendor, [Self.modernBlock, Self.transitionalBlock].contains(identity >> 16) else {
      throw BenchError.usage(
        "\(vfio.address) is no virtio-blk device: its vendor and device are 0x\(String(identity, radix: 16))")
    }
    // Memory accesses and, as what this is about, the device's own: bus mastering.
    try vfio.write(try vfio.read(config + 4, byteCount: 2) | 0x6, config + 4, byteCount: 2)
    try findCapabilities()
    guard common != 0, notify != 0, specific != 0 else {
      throw BenchError.machine("\(vfio.address) has no modern virtio registers; start it with disable-legacy=on")
    }
  }

  /// A session with a device that nothing was said to yet.
  package static func session(_ vfio: VFIODevice) throws -> DeviceSession<VirtioPCIDevice> {
    // The IOMMU is what keeps memory out of the device's reach: VFIOStart requires ACCESS_PLATFORM.
    DeviceSession(
      try VirtioPCIDevice(vfio), kind: .block, platform: Platform(secure: false), resetPolls: 1_000_000)
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
  package func configuration(_ byteCount: Int) throws -> [UInt8] {
    try (0..<UInt64(byteCount)).map { UInt8(truncatingIfNeeded: try vfio.read(specific + $0, byteCount: 1)) }
  }

  /// Entries of queue 0 at most.
  package func queueLimit() throws -> Int {
    try vfio.write(0, common + 22, byteCount: 2)
    return Int(try vfio.read(common + 24, byteCount: 2))
  }

  /// Hands queue 0 over; the doorbell's store tells the device of new buffers.
  fileprivate func enable(
    size: Int, _ parts: (GuestPhysicalAddress, GuestPhysicalAddress, GuestPhysicalAddress)
  ) throws -> VFIODoorbell {
    try vfio.write(0, common + 22, byteCount: 2)
    try vfio.write(UInt32(size), common + 24, byteCount: 2)
    // No interrupt: this driver polls.
    try vfio.write(0xffff, common + 26, byteCount: 2)
    for (part, offset) in [(parts.0, UInt64(32)), (parts.1, 40), (parts.2, 48)] {
      try vfio.write(UInt32(truncatingIfNeeded: part.rawValue), common + offset, byteCount: 4)
      try vfio.write(UInt32(truncatingIfNeeded: part.rawValue >> 32), common + offset + 4, byteCount: 4)
    }
    let offset = UInt64(try vfio.read(common + 30, byteCount: 2)) * notifyMultiplier
    guard offset + 2 <= notifyByteCount else {
      throw BenchError.check("\(vfio.address) has its doorbell at \(offset) of \(notifyByteCount) bytes")
    }
    let doorbell = try vfio.doorbell(at: notify + offset)
    try vfio.write(1, common + 28, byteCount: 2)
    return doorbell
  }
}

extension VirtioPCIDevice: DeviceTransport {
  /// Reads both halves of the device's features (4.1.4.3).
  package func offeredFeatures() throws(TransportError) -> VirtioFeatures {
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
  package func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError) {
    try access("writing the features") { () throws(VFIOError) in
      for half in 0..<UInt32(2) {
        try vfio.write(half, common + 8, byteCount: 4)
        try vfio.write(UInt32(truncatingIfNeeded: features.rawValue >> (32 * UInt64(half))), common + 12, byteCount: 4)
      }
    }
  }

  /// Reads the device's status (2.1).
  package func status() throws(TransportError) -> DeviceStatus {
    try access("reading the status") { () throws(VFIOError) in
      DeviceStatus(rawValue: UInt8(truncatingIfNeeded: try vfio.read(common + 20, byteCount: 1)))
    }
  }

  /// Writes the device's status; 0 resets it (4.1.4.3.2).
  package func writeStatus(_ status: DeviceStatus) throws(TransportError) {
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
  /// Hands queue 0 over and sets DRIVER_OK.
  package mutating func start(
    size: Int, _ parts: (GuestPhysicalAddress, GuestPhysicalAddress, GuestPhysicalAddress)
  ) throws -> VFIODoorbell {
    let doorbell = try transport.enable(size: size, parts)
    do throws(NegotiationError) { try start() } catch { throw refusal(error) }
    return doorbell
  }

  /// What a step that failed means for a run: something that this machine's device cannot do, or a check that failed.
  package func refusal(_ error: NegotiationError) -> BenchError {
    let address = transport.vfio.address
    return switch error {
    // Without it the device would take guest-physical addresses past the IOMMU, or none at all.
    case .notOffered(.accessPlatform, _):
      .machine(
        "\(address) does not offer ACCESS_PLATFORM: it would not go through the IOMMU (QEMU: iommu_platform=on)")
    case .notOffered(.packedRing, _):
      .machine("the device offers no packed ring (QEMU: packed=on); choose --ring split")
    case .notOffered: .machine("\(address): \(error)")
    default: .check("\(address): \(error)")
    }
  }
}
