import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// The memory of a driver whose device is another process: rings and tables, data, and what a path copies through.
package struct DriveGuest {
  package let memory: GuestMemory
  /// One a queue, each in pages of its own.
  let rings: [GuestBuffer]
  /// Indirect tables, one set a queue; empty where they are not used.
  let tables: [GuestBuffer]
  /// Headers of a block driver's requests, then the data.
  ///
  /// Where a path copies, the device does not see it.
  let data: GuestBuffer
  let pool: SwiotlbPool?
  /// What `shadow` copies through, one a queue; empty for another path.
  let shadows: [GuestBuffer]

  static let poolBytes = 64 << 20

  package init(_ parameters: DriveParameters) throws {
    let queues = parameters.device.queueCount
    let ringBytes = Self.pages(
      max(SplitRing.byteCount(size: parameters.queueSize), PackedRing.byteCount(size: parameters.queueSize)))
    let tableBytes = Self.pages(
      parameters.features.contains(.indirect) ? parameters.queueSize * parameters.segments * 16 : 0)
    let control = try MemoryRegion(
      at: GuestPhysicalAddress(1 << 28), byteCount: queues * (ringBytes + tableBytes))
    var carver = RegionAllocator(control)
    rings = try (0..<queues).map { _ in try carver.allocate(ringBytes, alignment: 4096) }
    tables = tableBytes == 0 ? [] : try (0..<queues).map { _ in try carver.allocate(tableBytes, alignment: 4096) }
    let isHidden = parameters.path == .swiotlb || parameters.path == .shadow
    let dataRegion = try MemoryRegion(
      at: GuestPhysicalAddress(1 << 32), byteCount: Self.dataByteCount(parameters),
      isShared: !isHidden)
    data = GuestBuffer(whole: dataRegion)
    var regions = [control, dataRegion]
    if parameters.path == .swiotlb {
      let region = try MemoryRegion(at: GuestPhysicalAddress(2 << 32), byteCount: Self.poolBytes)
      regions.append(region)
      pool = try SwiotlbPool(GuestBuffer(whole: region))
    } else {
      pool = nil
    }
    if parameters.path == .shadow {
      let count = Self.pages(
        ShadowMapper<UncountedWork>.byteCount(
          slots: 4 * parameters.depth, slotByteCount: Self.shadowSlot(parameters)))
      let region = try MemoryRegion(at: GuestPhysicalAddress(3 << 32), byteCount: queues * count)
      regions.append(region)
      shadows = (0..<queues).map { GuestBuffer(whole: region).slice(at: $0 * count, byteCount: count) }
    } else {
      shadows = []
    }
    memory = try GuestMemory(regions)
  }

  private static func pages(_ bytes: Int) -> Int { (bytes + 4095) & ~4095 }

  /// Bytes of a shadow buffer: the largest segment there is.
  static func shadowSlot(_ parameters: DriveParameters) -> Int {
    (max(parameters.bytes + NetHeader.byteCount, 16 * parameters.segments) + 63) & ~63
  }

  /// Bytes of a block driver's slots, in whole pages, or of the frames that are received into.
  static func firstByteCount(_ parameters: DriveParameters) -> Int {
    switch parameters.device {
    case .block: pages(parameters.depth * BlockDriver<SplitDriverQueue<DirectMapper<UncountedWork>>>.slotByteCount)
    case .net: pages(NetFrames.byteCount(parameters.depth, bytes: parameters.bytes))
    case .entropy: pages(parameters.depth * Payload.stride(for: parameters.bytes))
    }
  }

  private static func dataByteCount(_ parameters: DriveParameters) -> Int {
    switch parameters.device {
    case .block: firstByteCount(parameters) + parameters.depth * Payload.stride(for: parameters.bytes)
    case .net: 2 * firstByteCount(parameters)
    case .entropy: firstByteCount(parameters)
    }
  }

  /// The first part of the data, and the rest.
  func halves(_ parameters: DriveParameters) -> (GuestBuffer, GuestBuffer) {
    let first = Self.firstByteCount(parameters)
    return (
      data.slice(at: 0, byteCount: first), data.slice(at: first, byteCount: data.byteCount - first)
    )
  }
}
