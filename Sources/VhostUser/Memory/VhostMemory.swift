internal import CRing
public import RingIOMMU
public import RingKit

/// The guest's memory as a front-end's table has it: mapped here, and known by guest addresses and by user addresses.
final class VhostMemory {
  /// The regions by guest address.
  let guest: GuestMemory
  private let parts: [(userAddress: UInt64, region: MemoryRegion)]

  /// Maps every region of a table.
  ///
  /// - Parameters:
  ///   - table: the regions.
  ///   - files: the descriptor of each.
  ///   - mustBeSealed: whether a file that its owner can shrink is refused.
  /// - Throws: ``VhostUserError`` for a region that is empty, overlaps another or is not in its file.
  init(
    _ table: [MemoryTableEntry], files: [PassedDescriptor], mustBeSealed: Bool
  ) throws(VhostUserError) {
    var parts: [(userAddress: UInt64, region: MemoryRegion)] = []
    for (entry, file) in zip(table, files) {
      let (_, wraps) = entry.userAddress.addingReportingOverflow(entry.byteCount)
      guard !wraps, let byteCount = Int(exactly: entry.byteCount) else {
        throw .memory(.addressOverflow(entry.guestAddress, byteCount: Int(clamping: entry.byteCount)))
      }
      if let other = parts.first(where: { Self.overlap($0.userAddress, $0.region.byteCount, entry) }) {
        throw .userAddressOverlap(max(other.userAddress, entry.userAddress))
      }
      let copy = try file.duplicate()
      do throws(MemoryError) {
        let region = try MemoryRegion(
          mapping: copy, fileOffset: entry.fileOffset, byteCount: byteCount, at: entry.guestAddress,
          mustBeSealed: mustBeSealed)
        parts.append((entry.userAddress, region))
      } catch {
        cring_channel_close(copy)
        throw .memory(error)
      }
    }
    do throws(MemoryError) { guest = try GuestMemory(parts.map(\.region)) } catch { throw .memory(error) }
    self.parts = parts
  }

  private static func overlap(_ address: UInt64, _ byteCount: Int, _ entry: MemoryTableEntry) -> Bool {
    // Neither end is beyond 2^64: both were looked at.
    address < entry.userAddress + entry.byteCount && entry.userAddress < address + UInt64(byteCount)
  }

  /// The memory at a user address; `nil` when it is not inside one region.
  func buffer(user address: UInt64, byteCount: Int) -> GuestBuffer? {
    for part in parts {
      let offset = address &- part.userAddress
      if let buffer = Self.slice(part.region, offset, byteCount) { return buffer }
    }
    return nil
  }

  /// The memory that is mapped there; `nil` when it is not inside one region.
  func buffer(host address: HostAddress, byteCount: Int) -> GuestBuffer? {
    for part in parts {
      let offset = UInt64(address.rawValue &- part.region.hostBase.rawValue)
      if let buffer = Self.slice(part.region, offset, byteCount) { return buffer }
    }
    return nil
  }

  /// The last guest address: a region may end where addresses do, so that there is none behind it.
  var lastGuestAddress: UInt64? {
    guest.regions.last.map { $0.guestBase.rawValue + UInt64($0.byteCount - 1) }
  }

  /// Where the guest has memory that is mapped at `host`, and how much of it is in the same region; `nil`: nowhere.
  func guestAddress(of host: HostAddress) -> (address: UInt64, byteCount: UInt64)? {
    for part in parts {
      let offset = UInt64(host.rawValue &- part.region.hostBase.rawValue)
      let byteCount = UInt64(part.region.byteCount)
      if offset < byteCount { return (part.region.guestBase.rawValue + offset, byteCount - offset) }
    }
    return nil
  }

  private static func slice(_ region: MemoryRegion, _ offset: UInt64, _ byteCount: Int) -> GuestBuffer? {
    guard byteCount >= 0, offset <= UInt64(region.byteCount), byteCount <= region.byteCount - Int(offset) else {
      return nil
    }
    return GuestBuffer(whole: region).slice(at: Int(offset), byteCount: byteCount)
  }
}

/// What turns a descriptor's address into memory: a look-up among the regions, or with ACCESS_PLATFORM in what IOTLB
/// messages said.
@frozen @usableFromInline
struct VhostTranslator: DMATranslator, ~Copyable {
  @usableFromInline var work = CountedWork()
  @usableFromInline let isTranslating: Bool
  @usableFromInline var regions: RegionTranslator<UncountedWork>
  @usableFromInline var known: DeviceIOTLBTranslator<CountedWork>

  init(memory: VhostMemory, known: DeviceIOTLB, isTranslating: Bool) {
    self.isTranslating = isTranslating
    regions = RegionTranslator(memory: memory.guest, counter: UncountedWork())
    self.known = DeviceIOTLBTranslator(known, counter: CountedWork())
  }

  @inlinable
  static var isTrusted: Bool { true }

  @inlinable @inline(__always)
  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    // Short, so that it is inlined where the queue calls it through its witness.
    if !isTranslating, let host = regions.recentHost(address, byteCount: byteCount) { return (host, byteCount) }
    return try search(address, byteCount, access)
  }

  @usableFromInline @inline(never)
  mutating func search(
    _ address: IOVA, _ byteCount: UInt64, _ access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    isTranslating
      ? try known.translate(address, byteCount: byteCount, for: access)
      : try regions.translate(address, byteCount: byteCount, for: access)
  }

  @inlinable
  static var fetchesAhead: Bool { true }

  /// The first two lines: further ones of a long buffer the CPU fetches ahead itself.
  @inlinable @inline(__always)
  func fetchAhead(_ address: IOVA, byteCount: UInt32, for access: DMADirection) {
    guard !isTranslating, let host = regions.recentHost(address, byteCount: 1) else { return }
    unsafe SharedMemory(host, byteCount: Int(byteCount)).prefetchStart(for: access)
  }

  @inlinable @inline(__always)
  mutating func service() {}

  @inlinable
  mutating func shareThread(_ isShared: Bool) {}

  /// What the queue, and the IOTLB, did.
  var counts: WorkCounts { work.counts + known.work.counts }
}
