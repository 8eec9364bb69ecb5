import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a path's turn begins with: the features agreed on, the device's limits, and memory for rings and headers.
struct VFIOStart {
  let features: VirtioFeatures
  /// Of a disk.
  let limits: BlockLimits?
  let configuration: QueueConfiguration
  /// Of each queue.
  let rings: [GuestBuffer]
  /// Headers and status bytes of a disk's queues, in memory the device sees.
  let slots: GuestBuffer

  /// Begins a session and agrees on features.
  ///
  /// - Throws: ``BenchError`` when the device offers no such ring, or is too small.
  init(
    _ session: inout DeviceSession<VirtioPCIDevice>, _ layout: RingLayout, _ parameters: VFIOParameters,
    _ guest: VFIOGuest
  ) throws {
    let isDisk = session.kind == .block
    var required: VirtioFeatures = layout == .packed ? [.accessPlatform, .packedRing] : .accessPlatform
    if isDisk, parameters.queues > 1 { required.insert(BlockLimits.multiQueue) }
    do throws(NegotiationError) {
      try session.begin()
      features = try session.negotiate(
        FeatureRequest(
          understood: required.union(isDisk ? BlockLimits.features : []), required: required)
      ).accepted
    } catch { throw session.refusal(error) }
    let device = session.transport
    limits = isDisk ? try Self.limits(device, features, parameters) : nil
    let queues = parameters.queueCount(of: device.kind)
    var size = parameters.queueSize
    for queue in 0..<queues {
      let limit = try device.queueLimit(queue)
      guard limit >= 3 else {
        throw BenchError.machine("queue \(queue) of the device has \(limit) entries, not 3 or more")
      }
      size = min(size, limit)
    }
    configuration = QueueConfiguration(
      size: size, features: features.intersection([.version1, .accessPlatform, .packedRing]))
    var allocator = RegionAllocator(guest.control)
    rings = try (0..<queues).map { _ in
      try allocator.allocate(
        max(SplitRing.byteCount(size: size), PackedRing.byteCount(size: size)), alignment: 4096)
    }
    slots = try allocator.allocate(queues * VFIOGuest.slotByteCount, alignment: 4096)
  }

  private static func limits(
    _ device: VirtioPCIDevice, _ features: VirtioFeatures, _ parameters: VFIOParameters
  ) throws -> BlockLimits {
    let bytes = try device.configuration(BlockLimits.byteCount + (parameters.queues > 1 ? 12 : 0))
    let limits = BlockLimits(bytes, features: features)
    guard limits.sectorCount >= UInt64(parameters.blockBytes / 512) else {
      throw BenchError.machine("the device has \(limits.sectorCount) sectors, less than a block of --size")
    }
    guard !parameters.overwrite || !limits.isReadOnly else {
      throw BenchError.machine("the device is read-only, so --overwrite cannot be done")
    }
    if parameters.queues > 1 {
      // 5.2.4: num_queues, which the device has with MQ only.
      let queues = Int(bytes[34]) | Int(bytes[35]) << 8
      guard parameters.queues <= queues else {
        throw BenchError.machine("the device has \(queues) queues, not \(parameters.queues) (--queues)")
      }
    }
    return limits
  }
}

extension BlockLimits {
  /// VIRTIO_BLK_F_MQ: the device says how many queues it has.
  static let multiQueue = VirtioFeatures(rawValue: 1 << 12)
}

/// The memory of a run: rings and request headers, payload, and a pool, each shown to the device as its path wants it.
struct VFIOGuest {
  /// Headers of the requests of one queue.
  static let slotByteCount = 64 * 64

  let memory: GuestMemory
  /// Rings, headers and the status bytes.
  let control: MemoryRegion
  let payload: GuestBuffer
  /// What the device is never shown by itself.
  let hiddenPayload: GuestBuffer
  let hiddenSlots: GuestBuffer
  let pool: SwiotlbPool

  /// - Parameters:
  ///   - parameters: of the run.
  ///   - kind: of the device.
  /// - Throws: ``BenchError/machine(_:)``.
  init(_ parameters: VFIOParameters, for kind: DeviceKind) throws(BenchError) {
    let base = VFIOAddressSpace.permanentBase.rawValue
    let queues = parameters.queueCount(of: kind)
    let payloadBytes = parameters.payloadByteCount(for: kind)
    func region(
      _ number: UInt64, _ bytes: Int, _ isShared: Bool = true
    ) throws(MemoryError) -> MemoryRegion {
      try MemoryRegion(at: GuestPhysicalAddress(base + number << 30), byteCount: bytes, isShared: isShared)
    }
    do {
      let ring = max(
        SplitRing.byteCount(size: parameters.queueSize), PackedRing.byteCount(size: parameters.queueSize))
      control = try region(0, queues * (ring + 4096 + Self.slotByteCount) + 4096)
      let shown = try region(1, payloadBytes)
      // Everything outstanding at once, headers and status bytes in slots of their own, and as much again.
      let bounced = payloadBytes + queues * parameters.depth * 2 * 2048
      let segment = SwiotlbPool.maximumMappingByteCount
      let poolRegion = try region(2, max(4 << 20, (2 * bounced + segment - 1) / segment * segment))
      let hidden = try region(3, payloadBytes, false)
      let slots = try region(4, queues * Self.slotByteCount, false)
      payload = GuestBuffer(whole: shown)
      hiddenPayload = GuestBuffer(whole: hidden)
      hiddenSlots = GuestBuffer(whole: slots)
      pool = try SwiotlbPool(GuestBuffer(whole: poolRegion))
      memory = try GuestMemory([control, shown, poolRegion, hidden, slots])
    } catch {
      throw .machine("memory for the device cannot be had: \(error)")
    }
  }
}
