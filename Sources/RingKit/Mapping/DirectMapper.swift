/// DMA path `direct`: the guest-physical address itself, the DMA API bypassed.
///
/// Virtio as it was.
///
/// Not for a platform that limits or translates the device's access (VIRTIO_F_ACCESS_PLATFORM), nor for a guest whose
/// memory the device cannot see.
@frozen
public struct DirectMapper<Counter: WorkCounter>: PairedPath, ~Copyable {
  /// What the queue around it did; the path itself does nothing that could be counted.
  public var work: Counter

  private let memory: GuestMemory

  /// A mapper for a device that reaches the shared regions of `memory`.
  public init(memory: GuestMemory, counter: Counter) {
    self.memory = memory
    work = counter
  }

  /// A look-up among the shared regions.
  public func makeTranslator() -> RegionTranslator<Counter> { RegionTranslator(memory: memory, counter: Counter()) }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// The empty value: the path keeps no mappings.
  @inlinable
  public static var unmapped: Void { () }

  /// The segment's own address.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Void) {
    (IOVA(untranslated: segment.address), ())
  }

  /// Nothing to undo.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: Void, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 { 0 }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}
}

extension DirectMapper where Counter == UncountedWork {
  /// A mapper for a device that reaches the shared regions of `memory`; counts nothing.
  public init(_ memory: GuestMemory) { self.init(memory: memory, counter: UncountedWork()) }
}

extension DirectMapper: ResumableMapper {
  /// The segment's own address.
  public func address(of mapping: Void, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    IOVA(untranslated: segment.address)
  }

  /// Nothing to take over but the address, which has to be the segment's own.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) {
    guard address == IOVA(untranslated: segment.address) else { throw .notResumable(segment, at: address) }
  }
}

/// The device's side where addresses in descriptors are guest-physical: a look-up among the regions it can see.
///
/// Serves `direct` and `identity`, and the bounce paths, whose devices see little more than the pool. What is private
/// to the guest is not in the table at all.
@frozen
public struct RegionTranslator<Counter: WorkCounter>: DMATranslator, ~Copyable {
  /// What the queue around it did.
  public var work: Counter
  @usableFromInline let table: RegionTable
  /// The region of the last range: payloads lie together, so the next one is there too.
  @usableFromInline var recent = RegionTable.Record(guestBase: 0, byteCount: 0, hostBase: 0)
  private let memory: GuestMemory

  /// A translator over the regions of `memory` that are visible to a device; keeps them mapped.
  public init(memory: GuestMemory, counter: Counter) {
    self.memory = memory
    self.table = memory.deviceTable
    work = counter
  }

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Finds the range in one region, or its beginning when it runs over into another.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = recentHost(address, byteCount: byteCount) { return (host, byteCount) }
    return try search(address, byteCount)
  }

  /// The same where the range is in the region of the last one, else `nil`.
  @inlinable @inline(__always)
  package func recentHost(_ address: IOVA, byteCount: UInt64) -> HostAddress? {
    recent.translate(GuestPhysicalAddress(address.rawValue), length: byteCount)
  }

  /// There is no IOMMU.
  @inlinable @inline(__always)
  public mutating func service() {}

  /// There is no IOMMU.
  public mutating func shareThread(_ isShared: Bool) {}

  @usableFromInline @inline(never)
  mutating func search(
    _ address: IOVA, _ byteCount: UInt64
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let target = GuestPhysicalAddress(address.rawValue)
    if let record = table.record(of: target) { recent = record }
    if let host = recent.translate(target, length: byteCount) { return (host, byteCount) }
    guard address.advanced(by: byteCount &- 1) != nil else {
      throw .addressOverflow(address, byteCount: byteCount)
    }
    guard let (host, available) = table.contiguous(from: GuestPhysicalAddress(address.rawValue)) else {
      throw .outOfBounds(address, byteCount: byteCount)
    }
    return (host, min(available, byteCount))
  }
}
