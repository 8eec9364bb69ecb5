/// All the memory a guest has, as regions that do not overlap.
///
/// Immutable after `init`; any thread may translate. Not an allocator: carve buffers out of a region with
/// ``RegionAllocator``.
@safe
public final class GuestMemory: @unchecked Sendable {
  /// The regions, by guest-physical address.
  public let regions: [MemoryRegion]
  /// Every region: what the driver can reach.
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

extension GuestMemory {
  /// A range of memory that a device may see, by its guest-physical address; `nil` when it is not inside one shared
  /// region.
  public func sharedBuffer(at address: GuestPhysicalAddress, byteCount: Int) -> GuestBuffer? {
    for region in regions where region.visibility == .shared {
      let offset = address.rawValue &- region.guestBase.rawValue
      guard offset < UInt64(region.byteCount), byteCount >= 0, byteCount <= region.byteCount - Int(offset) else {
        continue
      }
      return GuestBuffer(region: region, offset: Int(offset), byteCount: byteCount)
    }
    return nil
  }
}

/// The regions of a guest in the form the hot path reads: guest base, size and host base in a flat array.
///
/// A look-up compares against each region in turn; guests have a handful, and the compare is one subtraction. Owned by
/// a ``GuestMemory``, which must outlive it; any thread may read it.
@frozen @safe
public struct RegionTable: @unchecked Sendable {
  @frozen @usableFromInline
  struct Record: BitwiseCopyable {
    @usableFromInline var guestBase: UInt64
    @usableFromInline var byteCount: UInt64
    @usableFromInline var hostBase: UInt

    @usableFromInline
    init(guestBase: UInt64, byteCount: UInt64, hostBase: UInt) {
      self.guestBase = guestBase
      self.byteCount = byteCount
      self.hostBase = hostBase
    }

    /// Where the range is mapped, if it lies in this region: the offset is compared with the size, then the length with
    /// what is left, so that no sum can overflow.
    @inlinable @inline(__always)
    func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
      let offset = address.rawValue &- guestBase
      guard offset < byteCount && length <= byteCount &- offset else { return nil }
      return HostAddress(rawValue: hostBase &+ UInt(offset))
    }
  }

  @usableFromInline let records: UnsafePointer<Record>
  @usableFromInline let count: Int

  @usableFromInline
  init(records: UnsafePointer<Record>, count: Int) {
    unsafe self.records = unsafe records
    self.count = count
  }

  /// Where `length` bytes at `address` are mapped here, or `nil` when they are not inside one region.
  @inlinable @inline(__always)
  public func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
    var i = 0
    while i < count {
      // SAFETY: i < count, the number of records the table was made with.
      if let host = unsafe records[i].translate(address, length: length) { return host }
      i &+= 1
    }
    return nil
  }

  /// The region a range lies in, for a caller that expects the next range to lie there too.
  @usableFromInline
  func record(of address: GuestPhysicalAddress) -> Record? {
    for i in 0..<count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      if address.rawValue &- record.guestBase < record.byteCount { return record }
    }
    return nil
  }

  /// How many bytes from `address` on lie in one region, and where they are mapped; `nil` when not even one does.
  @inlinable
  public func contiguous(from address: GuestPhysicalAddress) -> (host: HostAddress, byteCount: UInt64)? {
    var i = 0
    while i < count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      let offset = address.rawValue &- record.guestBase
      if offset < record.byteCount {
        return (HostAddress(rawValue: record.hostBase &+ UInt(offset)), record.byteCount &- offset)
      }
      i &+= 1
    }
    return nil
  }
}
