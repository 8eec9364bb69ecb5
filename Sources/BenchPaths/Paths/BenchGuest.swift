import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform

/// The guest that all cases of a run share: rings, payloads the device can see, payloads it cannot, bounce pool.
///
/// One set of pages for everything that is compared, so that no path has luckier ones.
package struct BenchGuest {
  package let memory: GuestMemory
  package let pool: SwiotlbPool?
  package let sharedPayload: GuestBuffer
  let privatePayload: GuestBuffer?
  /// What `shadow` and `hybrid` copy through; one case runs at a time.
  let shadow: GuestBuffer?
  /// Payload on both sides of 4 GiB.
  let straddling: GuestBuffer?
  /// All indirect tables, contiguous, so that a driver can map them once; `nil` where none is used.
  let tables: GuestBuffer?
  private var tablesUsed = 0
  private var rings: RegionAllocator

  /// - Parameters:
  ///   - parameters: what is measured.
  ///   - sharedPool: the pool of another guest, instead of one of its own.
  ///   - lender: a guest whose payload and shadow buffers are used where they are large enough: cases take turns.
  /// - Throws: ``BenchError/machine(_:)`` where the memory cannot be had.
  package init(
    _ parameters: CostParameters, sharedPool: SwiotlbPool? = nil, lender: BenchGuest? = nil
  ) throws(BenchError) {
    let payloadBytes =
      parameters.memorySpan
      ?? parameters.iommu.rounded(
        parameters.sizes.map { Payload.stride(for: $0) * parameters.depth * parameters.queues }.max() ?? 4096)
    let usesPool = parameters.measuredPaths.contains(where: \.usesPool)
    // What a secure guest would hand over, or copies from, is its own.
    let hides =
      parameters.memorySpan == nil
      && (usesPool || parameters.isolation.isForced || parameters.isolation.paths.contains(.shadow))
    let straddles = parameters.measuredPaths.contains(.dmaMask)
    let below = Self.wholeLeaves(payloadBytes)
    // Each case has a ring of its own; a counted twin of each runs before the timed ones.
    let cases =
      parameters.measuredPaths.count * parameters.sizes.count * parameters.directions.count * parameters.queues
      * (parameters.isolation.paths.isEmpty ? 1 : 2)
    let perRing =
      SplitRing.byteCount(size: parameters.queueSize) + PackedRing.byteCount(size: parameters.queueSize) + 1024
    // One set of tables for each layout, whether both are measured or not.
    let tableBytes = 2 * cases * 2 * Self.tableByteCount(parameters)
    do {
      let ringRegion = try MemoryRegion(
        at: GuestPhysicalAddress(1 << 28), byteCount: 2 * cases * perRing + tableBytes + 4096,
        node: parameters.ringNode, usesLargePages: parameters.pageSize == .huge)
      if let span = parameters.memorySpan {
        sharedPayload = GuestBuffer(whole: try MemoryRegion(sparse: span, at: GuestPhysicalAddress(Self.boundary)))
      } else if let lender, !straddles, lender.sharedPayload.byteCount >= payloadBytes {
        sharedPayload = lender.sharedPayload.slice(at: 0, byteCount: payloadBytes)
      } else {
        let region = try MemoryRegion(
          at: GuestPhysicalAddress(Self.boundary - (straddles ? UInt64(below) : 0)),
          byteCount: straddles ? below + Self.aboveByteCount(parameters) : payloadBytes, node: parameters.payloadNode,
          usesLargePages: parameters.pageSize == .huge)
        sharedPayload = GuestBuffer(whole: region).slice(at: 0, byteCount: payloadBytes)
      }
      var regions = [ringRegion, sharedPayload.region]
      straddling = straddles ? GuestBuffer(whole: sharedPayload.region) : nil
      if parameters.measuredPaths.contains(where: \.usesShadow) {
        let shadowBytes = Self.wholeLeaves(Self.shadowByteCount(parameters))
        if let lent = lender?.shadow, lent.byteCount >= shadowBytes {
          shadow = lent
        } else {
          let region = try MemoryRegion(
            at: GuestPhysicalAddress(parameters.memorySpan == nil ? 8 << 30 : 1 << 40), byteCount: shadowBytes,
            node: parameters.payloadNode, usesLargePages: parameters.pageSize == .huge)
          shadow = GuestBuffer(whole: region)
        }
      } else {
        shadow = nil
      }
      if let shadow { regions.append(shadow.region) }
      if hides {
        let hiddenBytes = Self.hiddenByteCount(parameters, all: payloadBytes)
        let hidden = try MemoryRegion(
          at: GuestPhysicalAddress(16 << 30), byteCount: hiddenBytes, isShared: false,
          node: parameters.payloadNode, usesLargePages: parameters.pageSize == .huge)
        regions.append(hidden)
        privatePayload = GuestBuffer(whole: hidden).slice(at: 0, byteCount: hiddenBytes)
      } else {
        privatePayload = nil
      }
      if let sharedPool, usesPool {
        regions.append(sharedPool.buffer.region)
        pool = sharedPool
      } else if usesPool {
        let poolRegion = try MemoryRegion(
          at: GuestPhysicalAddress(UInt64((2 << 30) - (parameters.swiotlbMebibytes << 20))),
          byteCount: parameters.swiotlbMebibytes << 20, node: parameters.payloadNode,
          usesLargePages: parameters.pageSize == .huge)
        regions.append(poolRegion)
        var poolAllocator = RegionAllocator(poolRegion)
        pool = try SwiotlbPool(
          try poolAllocator.allocate(parameters.swiotlbMebibytes << 20, alignment: 4096),
          areaCount: parameters.swiotlbAreas, tracksHighWater: true)
      } else {
        pool = nil
      }
      memory = try GuestMemory(regions)
      rings = RegionAllocator(ringRegion)
      tables = parameters.features.contains(.indirect) ? try rings.allocate(tableBytes, alignment: 4096) : nil
    } catch {
      throw .machine("the guest's memory cannot be had: \(error)")
    }
  }

  private static func tableByteCount(_ parameters: CostParameters) -> Int {
    (parameters.queueSize * parameters.segments * 16 + 127) & ~127
  }

  /// The indirect tables of one queue.
  mutating func tableMemory(_ parameters: CostParameters) -> GuestBuffer? {
    guard let tables else { return nil }
    let bytes = Self.tableByteCount(parameters)
    defer { tablesUsed += bytes }
    return tables.slice(at: tablesUsed, byteCount: bytes)
  }

  mutating func ringMemory(_ byteCount: Int) throws(BenchError) -> GuestBuffer {
    do throws(MemoryError) { return try rings.allocate(byteCount, alignment: 128) } catch {
      throw .machine("no memory for a ring: \(error)")
    }
  }

  /// What to say where 2 MiB pages were asked for and some memory lies on others.
  package func pageWarning(_ parameters: CostParameters) -> String? {
    guard parameters.pageSize == .huge else { return nil }
    let small = placements().filter { $0.hugeBytes < $0.bytes }
    guard !small.isEmpty else { return nil }
    let list = small.map { "\($0.name) (\($0.hugeBytes >> 20) of \(($0.bytes + 0xf_ffff) >> 20) MiB)" }
    return "--page-size 2m falls back to 4 KiB pages for: \(list.joined(separator: ", ")); reserve pages with "
      + "vm.nr_hugepages, or allow transparent ones"
  }

  /// Where everything lies.
  package func placements() -> [MemoryPlacement] {
    var regions = [("ring", rings.region), ("payload", sharedPayload.region)]
    if let privatePayload { regions.append(("private payload", privatePayload.region)) }
    if let shadow { regions.append(("shadow buffers", shadow.region)) }
    if let pool { regions.append(("bounce pool", pool.buffer.region)) }
    return regions.map { name, region in MemoryPlacement(name, region) }
  }

  /// Where the pages asked for on a node really are: the placement a result claims is the one it had.
  ///
  /// A kernel that binds pages and does not tell where they are is believed; the result then says that it is not known.
  package func verifyPlacement(_ parameters: CostParameters) throws(BenchError) {
    let wanted: [(MemoryRegion, Int?)] = [
      (rings.region, parameters.ringNode), (sharedPayload.region, parameters.payloadNode),
    ]
    for (region, node) in wanted {
      guard let node, let found = try? region.pagesPerNode() else { continue }
      guard found.count == 1, found[node] != nil else {
        throw .machine("pages asked for on node \(node) lie on \(found.keys.sorted())")
      }
    }
  }
}

extension BenchGuest {
  /// Where what a device of 32 address bits cannot reach begins.
  static let boundary: UInt64 = 1 << 32

  /// Buffers of `dma-mask` that lie above the boundary.
  private static func aboveCount(_ parameters: CostParameters) -> Int {
    (parameters.depth * parameters.beyondPercent + 50) / 100
  }

  /// Memory above the boundary: for those buffers, however large.
  private static func aboveByteCount(_ parameters: CostParameters) -> Int {
    wholeLeaves(aboveCount(parameters) * (parameters.sizes.map { Payload.stride(for: $0) }.max() ?? 0))
  }

  /// Payloads that are hidden from the device: of swiotlb alone no larger ones than it takes, and one that it refuses.
  private static func hiddenByteCount(_ parameters: CostParameters, all: Int) -> Int {
    let isolation = parameters.isolation
    if isolation.isForced || isolation.paths.contains(.shadow) { return all }
    let taken = parameters.sizes.filter { $0 <= DMAPath.swiotlb.sizeLimit.bytes }
    let most = taken.map { Payload.stride(for: $0) * parameters.depth * parameters.queues }.max() ?? 0
    return max(most, parameters.sizes.map { Payload.stride(for: $0) }.max() ?? 4096)
  }

  /// The payload of `bytes`-sized buffers of which a share lies above 4 GiB: those that have their turn last.
  func payload(bytes: Int, _ parameters: CostParameters) -> GuestBuffer {
    guard let straddling, parameters.beyondPercent > 0 else { return sharedPayload }
    let stride = Payload.stride(for: bytes)
    let below = Int(Self.boundary - straddling.address.rawValue)
    let start = below - (parameters.depth - Self.aboveCount(parameters)) * stride
    return straddling.slice(at: start, byteCount: parameters.depth * stride)
  }

  /// Bytes of a shadow buffer for buffers of `bytes`.
  static func shadowSlot(_ bytes: Int, _ parameters: CostParameters) -> Int {
    parameters.shadowSlot ?? (bytes + 63) & ~63
  }

  /// Shadow buffers a queue needs: one for each segment in flight, and one for each indirect table.
  private static func shadowSlots(_ parameters: CostParameters) -> Int {
    parameters.features.contains(.indirect) ? 3 * parameters.depth : parameters.depth
  }

  static func shadowByteCount(_ parameters: CostParameters) -> Int {
    parameters.queues * (parameters.sizes.map { shadowByteCount($0, parameters) }.max() ?? 4096)
  }

  /// Those of one queue whose buffers have `bytes`.
  private static func shadowByteCount(_ bytes: Int, _ parameters: CostParameters) -> Int {
    ShadowMapper<UncountedWork>.byteCount(slots: shadowSlots(parameters), slotByteCount: shadowSlot(bytes, parameters))
  }

  /// From the start of shadow buffers to the end of the last 2 MiB they have a part in.
  func wholeLeaves(of shadow: GuestBuffer) -> GuestBuffer {
    GuestBuffer(whole: shadow.region).slice(at: 0, byteCount: Self.wholeLeaves(shadow.byteCount))
  }

  /// A multiple of 2 MiB, so that large pages stay where they were, on either side of an IOMMU.
  static func wholeLeaves(_ byteCount: Int) -> Int { (byteCount + 0x1f_ffff) & ~0x1f_ffff }

  /// The shadow buffers of a queue whose buffers have `bytes`, with nothing to spare.
  ///
  /// Behind those of the queues before it in its case.
  func shadow(bytes: Int, _ queue: Int, _ parameters: CostParameters) throws(BenchError) -> GuestBuffer {
    guard let shadow else { throw .machine("no shadow buffers were set up") }
    let count = Self.shadowByteCount(bytes, parameters)
    return shadow.slice(at: queue * count, byteCount: count)
  }
}
