internal import RingIOMMU
internal import RingKit

/// What turns a descriptor's address into memory: a look-up among the regions, or with ACCESS_PLATFORM in what IOTLB
/// messages said.
struct VhostTranslator: DMATranslator, ~Copyable {
  var work = CountedWork()
  private let isTranslating: Bool
  private var regions: RegionTranslator<NoWork>
  private var known: DeviceIOTLBTranslator<CountedWork>

  init(memory: VhostMemory, known: DeviceIOTLB, isTranslating: Bool) {
    self.isTranslating = isTranslating
    regions = RegionTranslator(memory: memory.guest, counter: NoWork())
    self.known = DeviceIOTLBTranslator(known, counter: CountedWork())
  }

  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if isTranslating { return try known.translate(address, byteCount: byteCount, for: access) }
    return try regions.translate(address, byteCount: byteCount, for: access)
  }

  /// What the queue, and the IOTLB, did.
  var counts: WorkCounts { work.counts + known.work.counts }
}
