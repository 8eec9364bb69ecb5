internal import Synchronization

/// All the memory a guest has, as regions that do not overlap.
///
/// Its regions never change after `init`; any thread may translate and allocate.
@safe
public final class GuestMemory: @unchecked Sendable {
  /// The regions, by guest-physical address.
  public let regions: [MemoryRegion]
  /// Every region: what the driver can reach.
  package let driverTable: RegionTable
  /// The regions whose ``MemoryRegion/isShared`` is true: what a device can reach.
  package let deviceTable: RegionTable

  // Bytes handed out of each region.
  private let allocated: Mutex<[Int]>
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
    allocated = Mutex([Int](repeating: 0, count: sorted.count))
    let visible = sorted.filter { $0.isShared }
    unsafe driverRecords = Self.records(of: sorted)
    unsafe deviceRecords = Self.records(of: visible)
    driverTable = unsafe RegionTable(records: driverRecords, count: sorted.count)
    deviceTable = unsafe RegionTable(records: deviceRecords, count: visible.count)
  }

  /// A guest with one region of `byteCount` bytes, which its devices can see.
  ///
  /// - Throws: ``MemoryError``.
  public convenience init(byteCount: Int) throws(MemoryError) {
    try self.init([try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: byteCount)])
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

  /// Why the memory is of no more use: a region of which another process took pages away; `nil` while all are whole.
  package var loss: MemoryError? {
    regions.first(where: \.isLost).map { .lost($0.guestBase, byteCount: $0.byteCount) }
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
  /// The next `byteCount` bytes, at a guest-physical address that is a multiple of `alignment`; never given back.
  ///
  /// For set-up, not for the data path. Not to be mixed with a `RegionAllocator` over one of its regions.
  /// - Parameters:
  ///   - byteCount: bytes, at least 1.
  ///   - alignment: a power of two.
  ///   - isShared: whether the devices have to see it; the first region of that kind with room is used.
  /// - Returns: the bytes, which nothing else is given.
  /// - Throws: ``MemoryError/exhausted(requested:available:)`` with what the roomiest region has left,
  ///   ``MemoryError/invalidSize(_:)`` or ``MemoryError/invalidAlignment(_:)``.
  public func allocate(
    _ byteCount: Int, alignment: Int = 64, isShared: Bool = true
  ) throws(MemoryError) -> GuestBuffer {
    let result = allocated.withLock { used -> Result<GuestBuffer, MemoryError> in
      var room = 0
      for (i, region) in regions.enumerated() where region.isShared == isShared {
        var allocator = RegionAllocator(region, from: used[i])
        do throws(MemoryError) {
          let buffer = try allocator.allocate(byteCount, alignment: alignment)
          used[i] = region.byteCount - allocator.available
          return .success(buffer)
        } catch {
          guard case .exhausted(_, let available) = error else { return .failure(error) }
          room = max(room, available)
        }
      }
      return .failure(.exhausted(requested: byteCount, available: room))
    }
    return try result.get()
  }

  /// A copy of a segment's bytes; allocates.
  ///
  /// - Throws: ``MemoryError/outOfBounds(_:)`` when it is not inside one region.
  public func copyOut(_ segment: MemorySegment) throws(MemoryError) -> [UInt8] {
    let host = try translate(segment)
    // SAFETY: as many bytes lie there, inside one region.
    return unsafe [UInt8](UnsafeRawBufferPointer(start: host.pointer, count: Int(segment.length)))
  }

  /// Copies bytes into a segment of as many.
  ///
  /// - Throws: ``MemoryError/outOfBounds(_:)`` when it is not inside one region.
  public func copyIn(_ bytes: some Collection<UInt8>, to segment: MemorySegment) throws(MemoryError) {
    precondition(bytes.count == segment.length, "\(bytes.count) bytes do not fill a segment of \(segment.length)")
    let host = try translate(segment)
    // SAFETY: as many bytes lie there, inside one region.
    unsafe UnsafeMutableRawBufferPointer(start: host.pointer, count: bytes.count).copyBytes(from: bytes)
  }

  /// The memory of a queue of a layout: the ring's and, with INDIRECT_DESC, the tables'.
  ///
  /// - Returns: the configuration with RING_PACKED as the layout has it, and the memory.
  /// - Throws: ``ConfigurationError``, before a size is reckoned from what was asked for, or ``MemoryError``.
  func allocateQueue<Layout: VirtqueueLayout>(
    _ configuration: QueueConfiguration, _ layout: Layout.Type, isPacked: Bool
  ) throws -> (configuration: QueueConfiguration, ring: GuestBuffer, tables: GuestBuffer?) {
    var configuration = configuration
    configuration.features.remove(.packedRing)
    if isPacked { configuration.features.insert(.packedRing) }
    try configuration.validate(packed: isPacked)
    let ring = try allocate(layout.byteCount(size: configuration.size), alignment: 128)
    let tables = configuration.indirectByteCount
    return (configuration, ring, tables > 0 ? try allocate(tables) : nil)
  }

  /// A range of memory that a device may see, by its guest-physical address; `nil` when it is not inside one shared
  /// region.
  public func sharedBuffer(at address: GuestPhysicalAddress, byteCount: Int) -> GuestBuffer? {
    for region in regions where region.isShared {
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
@usableFromInline
package struct RegionTable: @unchecked Sendable {
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
      return unsafe HostAddress(rawValue: hostBase &+ UInt(offset))
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
  package func translate(_ address: GuestPhysicalAddress, length: UInt64) -> HostAddress? {
    var i = 0
    while i < count {
      // SAFETY: i < count, the number of records the table was made with.
      if let host = unsafe records[i].translate(address, length: length) { return host }
      i &+= 1
    }
    return nil
  }

  /// Whether a range of this process lies in one region.
  @usableFromInline
  func contains(_ host: HostAddress, byteCount: UInt64) -> Bool {
    for i in 0..<count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      let offset = UInt64(host.rawValue &- record.hostBase)
      if offset < record.byteCount && byteCount <= record.byteCount &- offset { return true }
    }
    return false
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
  package func contiguous(from address: GuestPhysicalAddress) -> (host: HostAddress, byteCount: UInt64)? {
    var i = 0
    while i < count {
      // SAFETY: i < count.
      let record = unsafe records[i]
      let offset = address.rawValue &- record.guestBase
      if offset < record.byteCount {
        return unsafe (HostAddress(rawValue: record.hostBase &+ UInt(offset)), record.byteCount &- offset)
      }
      i &+= 1
    }
    return nil
  }
}
