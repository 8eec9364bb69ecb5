import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a path's turn begins with: the features agreed on, the device's limits, and memory for ring and headers.
package struct VFIOStart {
  package let features: VirtioFeatures
  package let limits: BlockLimits
  package let configuration: QueueConfiguration
  package let ring: GuestBuffer
  /// Headers and status bytes, in memory the device sees.
  package let slots: GuestBuffer

  /// Begins a session and agrees on features.
  ///
  /// - Throws: ``BenchError`` when the device offers no such ring, or is too small.
  package init(
    _ session: inout DeviceSession<VirtioPCIDevice>, _ layout: RingLayout, _ parameters: VFIOParameters,
    _ guest: VFIOGuest
  ) throws {
    let required: VirtioFeatures = layout == .packed ? [.accessPlatform, .packedRing] : .accessPlatform
    do throws(NegotiationError) {
      try session.begin()
      features = try session.negotiate(
        FeatureRequest(understood: BlockLimits.features, required: required)
      ).accepted
    } catch { throw session.refusal(error) }
    let device = session.transport
    limits = BlockLimits(try device.configuration(BlockLimits.byteCount), features: features)
    guard limits.sectorCount >= UInt64(parameters.blockBytes / 512) else {
      throw BenchError.machine("the device has \(limits.sectorCount) sectors, less than a block of --size")
    }
    guard !parameters.overwrite || !limits.isReadOnly else {
      throw BenchError.machine("the device is read-only, so --overwrite cannot be done")
    }
    let size = min(parameters.queueSize, try device.queueLimit())
    guard size >= 3 else { throw BenchError.machine("the device's queue has \(size) entries, not 3 or more") }
    configuration = QueueConfiguration(
      size: size, features: features.intersection([.version1, .accessPlatform, .packedRing]))
    var allocator = RegionAllocator(guest.control)
    ring = try allocator.allocate(
      max(SplitRing.byteCount(size: size), PackedRing.byteCount(size: size)), alignment: 4096)
    slots = try allocator.allocate(64 * parameters.depth, alignment: 4096)
  }
}

/// The memory of a run: rings and request headers, payload, and a pool, each shown to the device as its path wants it.
package struct VFIOGuest {
  private static let poolBytes = 4 << 20

  package let memory: GuestMemory
  /// Ring, headers and the status bytes.
  package let control: MemoryRegion
  package let payload: GuestBuffer
  /// What the device is never shown by itself.
  package let hiddenPayload: GuestBuffer
  package let hiddenSlots: GuestBuffer
  package let pool: SwiotlbPool

  package init(_ parameters: VFIOParameters) throws(BenchError) {
    let base = VFIOAddressSpace.permanentBase.rawValue
    let payloadBytes = parameters.depth * parameters.blockBytes
    func region(
      _ number: UInt64, _ bytes: Int, _ isShared: Bool = true
    ) throws(MemoryError) -> MemoryRegion {
      try MemoryRegion(at: GuestPhysicalAddress(base + number << 30), byteCount: bytes, isShared: isShared)
    }
    do {
      control = try region(0, 1 << 20)
      let shown = try region(1, payloadBytes)
      let poolRegion = try region(2, Self.poolBytes)
      let hidden = try region(3, payloadBytes, false)
      let slots = try region(4, 1 << 16, false)
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
