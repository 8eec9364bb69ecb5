// Public, because inlinable code may name only what its callers can see; no CRing type stands in the interface.
public import CRing
public import RingKit

/// DMA path `hybrid`: short segments are copied through shadow buffers, long ones are mapped.
///
/// What is short, a ``HybridThreshold`` says, for each direction; a `HybridCalibration` finds it from the costs of
/// the two, and a ``HybridControl`` moves it while the queue runs. A segment is mapped too when it is longer than a
/// shadow buffer, or when all of them are in use: running out of buffers costs time and never fails.
///
/// Both paths' addresses must mean something to the one device: behind an IOMMU the shadow buffers have a
/// ``PremappedBuffer``. Owned by one thread.
@frozen @safe
public struct HybridMapper<Mapped: DMAMapper & ~Copyable>: DrainedMapper, ~Copyable {
  /// Below which length a segment is copied; shorter than that and no longer than a shadow buffer.
  public let control: HybridControl

  @usableFromInline var mapped: Mapped
  @usableFromInline var copied: ShadowMapper<Mapped.Counter>
  // The control's, which lives as long as this does.
  @usableFromInline let thresholds: UnsafeMutableRawPointer

  /// A mapper of two.
  ///
  /// - Parameters:
  ///   - control: the threshold, which other mappers may share; segments shorter than it are copied.
  ///   - copying: copies; it is ended with the hybrid, and its counts are not looked at.
  ///   - mapping: maps; what it has counted so far is the hybrid's.
  public init(
    control: HybridControl, copying: consuming ShadowMapper<Mapped.Counter>, mapping: consuming Mapped
  ) {
    self.control = control
    unsafe thresholds = control.words
    copied = copying
    mapped = mapping
  }

  /// A mapper of two with a threshold of its own.
  public init(
    threshold: HybridThreshold, copying: consuming ShadowMapper<Mapped.Counter>, mapping: consuming Mapped
  ) {
    self.init(control: HybridControl(threshold), copying: copying, mapping: mapping)
  }

  /// What this mapper and the queue around it did; `WorkEvent.bounced` counts what was copied.
  @inlinable
  public var work: Mapped.Counter {
    @inline(__always) get { mapped.work }
    @inline(__always) set { mapped.work = newValue }
  }

  /// What the mapping path has.
  @inlinable
  public static var isTrusted: Bool { Mapped.isTrusted }

  /// The value for a slot in which nothing is mapped.
  @inlinable
  public static var unmapped: HybridMapping<Mapped.Mapping> {
    HybridMapping(.copied(ShadowMapper<Mapped.Counter>.unmapped))
  }

  /// Copies the segment, or maps it.
  ///
  /// - Throws: as `ShadowMapper.map(_:_:)`, but for a want of buffers, or as the mapping path does.
  @inlinable @inline(__always)
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: HybridMapping<Mapped.Mapping>) {
    // SAFETY: two words, and `control` keeps them.
    let below = unsafe cring_load_relaxed_32(thresholds + (direction == .deviceReadable ? 0 : 4))
    if segment.length < below && copied.takes(segment.length) {
      copied.work = mapped.work
      let copy = try copied.map(segment, direction)
      copied.work.add(.bounced, 1)
      mapped.work = copied.work
      return (copy.address, HybridMapping(.copied(copy.mapping)))
    }
    let map = try mapLong(segment, direction)
    return (map.address, HybridMapping(.mapped(map.mapping, byteCount: segment.length)))
  }

  /// Takes the segment back the way it went.
  ///
  /// - Throws: as `ShadowMapper.unmap(_:_:written:)`, or as the mapping path does.
  @inlinable @inline(__always)
  public mutating func unmap(
    _ mapping: HybridMapping<Mapped.Mapping>, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    switch mapping.way {
    case .copied(let copy):
      copied.work = mapped.work
      let count = try copied.unmap(copy, direction, written: written)
      mapped.work = copied.work
      return count
    case .mapped(let map, let byteCount):
      try unmapLong(map, direction, written)
      // The mapping path may not keep lengths; a chain's next segment needs this one's.
      return direction == .deviceReadable ? 0 : min(written, byteCount)
    }
  }

  // Not inlined, like `unmapLong`: beside the copy of a short segment they would take its registers.
  @inlinable @inline(never)
  mutating func mapLong(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapped.Mapping) {
    try mapped.map(segment, direction)
  }

  @inlinable @inline(never)
  mutating func unmapLong(_ map: Mapped.Mapping, _ direction: DMADirection, _ written: UInt32) throws(DMAError) {
    _ = try mapped.unmap(map, direction, written: written)
  }

  /// What is due on the mapping path.
  @inlinable @inline(__always)
  public mutating func poll() throws(DMAError) { try mapped.poll() }

  /// Completes what the mapping path deferred.
  @inlinable
  public mutating func flush() throws(DMAError) { try mapped.flush() }
}

extension HybridMapper: PairedPath where Mapped: PairedPath & ~Copyable, Mapped.Translator: LargePageTranslator {
  /// The mapping path's, which looks among large pages first.
  public func makeTranslator() -> HybridTranslator<Mapped.Translator> { HybridTranslator(mapped.makeTranslator()) }
}

/// What a mapping of a hybrid path is undone by: the copy's or the map's memory of it.
@frozen
public struct HybridMapping<Mapped: BitwiseCopyable>: BitwiseCopyable {
  @frozen @usableFromInline
  enum Way: BitwiseCopyable {
    case copied(ShadowMapping)
    case mapped(Mapped, byteCount: UInt32)
  }

  @usableFromInline let way: Way

  @inlinable
  init(_ way: Way) { self.way = way }

  /// Whether the segment was copied.
  @inlinable
  public var isCopied: Bool {
    switch way {
    case .copied: true
    case .mapped: false
    }
  }
}

/// The device's side of `hybrid`: an ``IOMMUTranslator``, or a `RemoteIOMMUTranslator`, that looks among the 2 MiB
/// pages first.
///
/// Short segments come through the shadow buffers, which are mapped once and, with large pages, lie in few leaves; for
/// each of them the sets of 4 KiB pages would be searched in vain. Long segments pay one comparison more. What is
/// entered and what is forgotten is the same. Owned by the device's thread.
@frozen
public struct HybridTranslator<Pages: LargePageTranslator & ~Copyable>: DMATranslator, ~Copyable {
  @usableFromInline var pages: Pages

  /// A translator that asks `pages` for what is in no cached 2 MiB page.
  public init(_ pages: consuming Pages) { self.pages = pages }

  /// What this translator and the queue around it did.
  @inlinable
  public var work: Pages.Counter {
    @inline(__always) get { pages.work }
    @inline(__always) set { pages.work = newValue }
  }

  /// What the translator beneath has.
  @inlinable
  public static var isTrusted: Bool { Pages.isTrusted }

  /// Looks the range up in the IOTLB, or walks; joins pages as long as they are contiguous here.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    if let host = pages.largeHit(address, byteCount, access) { return (host, byteCount) }
    return try pages.translate(address, byteCount: byteCount, for: access)
  }

  /// Takes what the drivers want forgotten; one load when that is nothing.
  @inlinable @inline(__always)
  public mutating func service() { pages.service() }

  /// Passed on.
  public mutating func shareThread(_ isShared: Bool) { pages.shareThread(isShared) }
}
