/// All the memory a guest has, as regions that do not overlap.
///
/// Immutable after `init`; any thread may translate. Not an allocator: carve buffers out of a region with
/// ``RegionAllocator``.
@safe
public final class GuestMemory: @unchecked Sendable {
  /// The regions, by guest-physical address.
  public let regions: [MemoryRegion]
  /// Every region: what the driver, who owns the guest, can reach.
  public let driverTable: RegionTable
  /// The regions whose ``MemoryRegion/visibility`` is shared: what a device can reach.
  public let deviceTable: RegionTable

  private let driverRecords: UnsafeMutablePointer<RegionTable.Record>
  private let deviceRecords: UnsafeMutablePointer<RegionTable.Record>

  /// Collects the regions of a guest.
  ///
  /// - Throws: ``MemoryError/overlap(_:)`` when two of them share a guest-physical address.
  public init(_ regions: [MemoryRegion]) throws(MemoryError) {
    let sorted = regions.sorted { $0.guestBase < $1.guestBase }
    for (lower, upper) in zip(sorted, sorted.dropFirst())
    where upper.guestBase.rawValue - lower.guestBase.rawValue < UInt64(lower.byteCount) {
      throw .overlap(upper.guestBase)
    }
    self.regions = sorted
    let visible = sorted.filter { $0.visibility == .shared }
    unsafe driverRecords = Self.records(of: sorted)
    unsafe deviceRecords = Self.records(of: visible)
    driverTable = unsafe RegionTable(records: driverRecords, count: sorted.count)
    deviceTable = unsafe RegionTable(records: deviceRecords, count: visible.count)
  }

  deinit {
    unsafe driverRecords.deallocate()
    unsafe deviceRecords.deallocate()
  }

  /// Where a segment of the driver's own memory is mapped here.
  ///
  /// - Throws: ``MemoryError/outOfBounds(_:)`` when it is not inside one region.
  public func translate(_ segment: MemorySegment) throws(MemoryError) -> HostAddress {
    guard let host = driverTable.translate(segment.address, length: UInt64(segment.length)) else {
      throw .outOfBounds(segment)
    }
    return host
  }

  private static func records(of regions: [MemoryRegion]) -> UnsafeMutablePointer<RegionTable.Record> {
    let records = UnsafeMutablePointer<RegionTable.Record>.allocate(capacity: max(regions.count, 1))
    for (i, region) in regions.enumerated() {
      unsafe (records + i).initialize(
        to: RegionTable.Record(
          guestBase: region.guestBase.rawValue, byteCount: UInt64(region.byteCount),
          hostBase: region.hostBase.rawValue))
    }
    return unsafe records
  }
}
