public import RingKit

/// DMA path `premapped`: everything is mapped once, and a segment's address is a sum (page-pool drivers).
///
/// Not for memory that the device must lose sight of between two uses: it can read and write all of it until
/// ``release()``. A buffer that does not start and end on a page boundary shows the rest of its pages too. A value
/// owned by the driver's thread.
@frozen
public struct PremappedMapper<Counter: WorkCounter>: PairedPath, ~Copyable {
  /// What this mapper and the queue around it did; a map and an unmap do nothing that could be counted.
  public var work: Counter

  @usableFromInline let windows: PrivateTable<PremappedWindow>
  @usableFromInline var windowCount = 0
  private let cpu: Int
  private let domain: IOMMUDomain

  /// Maps whole buffers for both directions.
  ///
  /// - Parameters:
  ///   - buffers: what segments may lie in; one that runs over from one buffer into the next is refused.
  ///   - domain: the device's address space.
  ///   - largePages: whether to choose IOVAs so that leaves of 2 MiB and 1 GiB can be used.
  ///   - cpu: whose IOVA caches are used, below ``IOMMUConfiguration/cpuCount``.
  ///   - counter: what counts the work, that of this call included.
  /// - Throws: `DMAError` as for one large map; then nothing stays mapped.
  public init(
    _ buffers: [GuestBuffer], domain: IOMMUDomain, largePages: Bool = false, cpu: Int = 0, counter: Counter
  ) throws(DMAError) {
    precondition(cpu >= 0 && cpu < domain.configuration.cpuCount, "the domain has no IOVA caches for CPU \(cpu)")
    self.domain = domain
    self.cpu = cpu
    work = counter
    windows = PrivateTable(count: buffers.count, repeating: PremappedWindow())
    for buffer in buffers {
      // What is mapped so far is undone by deinit.
      windows[windowCount] = try domain.core.premap(
        buffer.address, UInt64(buffer.byteCount), largePages: largePages, cpu: cpu, counter: &work)
      windowCount += 1
    }
  }

  /// Maps a whole region for both directions.
  ///
  /// - Throws: `DMAError` as for one large map; then nothing stays mapped.
  public init(
    _ region: MemoryRegion, domain: IOMMUDomain, largePages: Bool = false, cpu: Int = 0, counter: Counter
  ) throws(DMAError) {
    try self.init([GuestBuffer(whole: region)], domain: domain, largePages: largePages, cpu: cpu, counter: counter)
  }

  deinit {
    // The error cannot be reported: a range that could not be invalidated stays reserved.
    var unseen = Counter()
    for i in 0..<windowCount { try? domain.core.release(windows[i], cpu: cpu, counter: &unseen) }
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// The value for a slot in which nothing is mapped.
  @inlinable
  public static var unmapped: PremappedMapping { PremappedMapping() }

  /// Finds the segment in one of the buffers and adds.
  ///
  /// - Throws: `DMAError.notPremapped(_:)`; `DMAError.outOfBounds(_:)` for an empty one.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: PremappedMapping) {
    var i = 0
    let length = UInt64(segment.length)
    while i < windowCount {
      let window = windows[i]
      let offset = segment.address.rawValue &- window.guestBase
      if offset < window.byteCount && length &- 1 < window.byteCount &- offset {
        return (IOVA(window.iovaBase &+ offset), PremappedMapping())
      }
      i &+= 1
    }
    throw segment.length == 0 ? .outOfBounds(segment) : .notPremapped(segment)
  }

  /// Nothing to undo.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: PremappedMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 { 0 }

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) {}

  /// Nothing is deferred.
  @inlinable @inline(__always)
  public mutating func flush() throws(DMAError) {}

  /// An IOTLB of the usual size in front of the domain's page table.
  public func makeTranslator() -> IOMMUTranslator<Counter> { IOMMUTranslator(domain: domain, counter: Counter()) }

  /// Unmaps everything; afterwards nothing can be mapped.
  ///
  /// Done by `deinit` too, which cannot report a failure.
  ///
  /// - Throws: `DMAError.invalidationTimedOut(nanoseconds:)`; what was not reached can be released again.
  public mutating func release() throws(DMAError) {
    while windowCount > 0 {
      windowCount -= 1
      try domain.core.release(windows[windowCount], cpu: cpu, counter: &work)
    }
  }
}

extension PremappedMapper where Counter == UncountedWork {
  /// Maps all memory of a guest for good, in an address space of its own; counts nothing.
  ///
  /// - Throws: `DMAError` as for one large map.
  public init(_ memory: GuestMemory) throws(DMAError) {
    try self.init(
      memory.regions.map { GuestBuffer(whole: $0) }, domain: IOMMUDomain(memory: memory), counter: UncountedWork())
  }
}

extension PremappedMapper: ResumableMapper {
  /// The segment's address in its buffer's window.
  public func address(of mapping: PremappedMapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    for i in 0..<windowCount {
      let window = windows[i]
      let offset = segment.address.rawValue &- window.guestBase
      if offset < window.byteCount && UInt64(segment.length) &- 1 < window.byteCount &- offset {
        return IOVA(window.iovaBase &+ offset)
      }
    }
    throw .notPremapped(segment)
  }

  /// Takes over what lies at the same offset in the same window.
  ///
  /// Windows get the same IOVAs in another domain when the same buffers are mapped in the same order, and first.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> PremappedMapping {
    let mine = try map(segment, direction).address
    guard mine == address else { throw .notResumable(segment, at: address) }
    return PremappedMapping()
  }
}

/// What a mapping by `PremappedMapper` is undone by: nothing.
///
/// A type of its own, because the add loop takes two instructions a buffer more with `Void`.
@frozen
public struct PremappedMapping: BitwiseCopyable, Sendable {
  @inlinable
  init() {}
}
